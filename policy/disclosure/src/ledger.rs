//! The ledger as the rules see it: look up, decide and record in one transaction. Durable stores live
//! in `server/state`.

use crate::{Charge, Index, Question};

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

    /// What the question's agreement has been charged so far, in every scope.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn meter(&self) -> Result<Charge, LedgerError>;
}

/// A question, with what the ledger must know of the rules that will decide it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The question.
    pub question: &'a Question,
    /// k of the profile: the index of answered sets is kept by it. None where sets are not remembered.
    pub separation: Option<usize>,
}

/// What was decided, to be recorded in the transaction in which it was decided.
#[derive(Debug)]
pub struct Decided {
    /// The table as it may leave, sealed for the question's fingerprint: to be stored as it is.
    pub table: Vec<u8>,
    /// Whether it was copied from an earlier answer.
    pub copied: bool,
    /// What the agreement is charged.
    pub charge: Charge,
    /// The sets that were answered for the first time, to be appended to the scope's index; may be empty.
    pub sets: Vec<u8>,
    /// The remembered sets of people, by number in the scope's index, that sets of this table differ from in a
    /// few persons: what shows that somebody asks again and again around the same people. Kept for governance;
    /// no answer depends on it.
    pub near: Vec<u32>,
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
    /// Catches up with what others recorded, lets `decide` look at earlier answers and decide, and appends
    /// the decision: one transaction, durable when this returns. Two queries never decide at once within a
    /// scope. `decide` may answer with nothing: then nothing is recorded.
    ///
    /// The index holds every answered set of the scope. What `decide` adds to it stays only if the
    /// transaction does.
    ///
    /// # Errors
    /// When it cannot be recorded; then nothing may leave.
    fn exclusive(
        &self,
        asked: Asked<'_>,
        now: Timestamp,
        decide: &mut Decide<'_>,
    ) -> Result<Option<Recorded>, LedgerError>;

    /// Charges an agreement for a question that was run and not answered: how long it ran, or that it ended at a
    /// limit, was an answer too.
    ///
    /// # Errors
    /// When it cannot be recorded.
    fn charge(&self, question: &Question, charge: Charge) -> Result<(), LedgerError>;

    /// Whether this very question was answered before, and what its agreement has been charged.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn standing(&self, question: &Question) -> Result<Standing, LedgerError>;

    /// Appends one audit event, durable when this returns.
    ///
    /// # Errors
    /// When it cannot be recorded; then nothing may leave.
    fn record(&self, event: &AuditEvent, now: Timestamp) -> Result<Recorded, LedgerError>;
}

/// Decides within a transaction of the ledger.
pub type Decide<'a> =
    dyn FnMut(&dyn Earlier, &mut Index) -> Result<Option<Decided>, LedgerError> + 'a;

/// What the ledger knows of a question before it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It was answered before: the answer will be a copy, free of charge.
    pub known: bool,
    /// What its agreement has been charged so far.
    pub meter: Charge,
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
