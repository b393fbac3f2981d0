//! The ledger as the rules see it: look up, decide and record in one transaction. Durable stores live
//! in `server/state`.

/// Milliseconds since 1970 UTC. Time is always a parameter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

/// Where answered sets are remembered together: data lineage, opt-out rule and noise family, across
/// all analysts and agreements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope(pub String);

/// SHA-256 over what a table was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// What was answered earlier within a scope.
pub trait Earlier {
    /// What was recorded ([`Decided::table`]) when this very question was first asked; none if it was not.
    /// The bytes come back as they were appended; only [`crate::release`] makes a table of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn table(&self, fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, LedgerError>;
}

/// What was decided, to be recorded in the transaction in which it was decided.
#[derive(Debug)]
pub struct Decided {
    /// The table as it may leave, sealed for the question's fingerprint: to be stored as it is.
    pub table: Vec<u8>,
    /// Whether it was copied from an earlier answer.
    pub copied: bool,
}

/// A position in the ledger: proof that the entry is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorded(pub u64);

/// How a query ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// A result was handed out (rows and columns of the result).
    Released {
        /// Rows of the result.
        rows: u64,
        /// Columns of the result.
        columns: u64,
    },
    /// Refused with this code.
    Refused(String),
    /// Failed or was stopped, with this operational code.
    Failed(String),
}

/// One line of the audit log.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// The query.
    pub query_id: String,
    /// The signed-in analyst, issuer and subject.
    pub analyst: String,
    /// The agreement; empty when none was chosen yet.
    pub agreement: String,
    /// The door: `flight`, `cli`.
    pub door: String,
    /// The text as submitted (the audit log is complete; the operator's log never holds it).
    pub sql: String,
    /// Digest of the text.
    pub fingerprint: Fingerprint,
    /// The pinned table versions.
    pub versions: String,
    /// How it ended.
    pub outcome: AuditOutcome,
}

/// A durable, ordered store of decisions and events.
pub trait Ledger: Send + Sync {
    /// Catches up, lets `decide` look at earlier answers and decide, and appends the decision: one
    /// transaction, durable when this returns. Two queries never decide at once within a scope.
    ///
    /// # Errors
    /// When it cannot be recorded; then nothing may leave.
    fn exclusive(
        &self,
        question: &crate::Question,
        now: Timestamp,
        decide: &mut dyn FnMut(&dyn Earlier) -> Result<Decided, LedgerError>,
    ) -> Result<Recorded, LedgerError>;

    /// Appends one audit event, durable when this returns.
    ///
    /// # Errors
    /// When it cannot be recorded; then nothing may leave.
    fn record(&self, event: &AuditEvent, now: Timestamp) -> Result<Recorded, LedgerError>;
}

/// The ledger cannot be read or written. The message never holds data.
#[derive(Debug, thiserror::Error)]
#[error("the ledger cannot {action}")]
pub struct LedgerError {
    /// What could not be done: `read`, `write`.
    pub action: &'static str,
    /// Why, for the operator's log.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
