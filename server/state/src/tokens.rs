//! Tokens that were withdrawn before they expired.

use cordon_disclosure::Timestamp;
use rusqlite::params;

use crate::{SqliteState, StateError};

impl SqliteState {
    /// Withdraws a token (issuer and `jti`) until it would have expired anyway. Entries past their time
    /// are dropped on the way.
    ///
    /// # Errors
    /// When it cannot be written; then the token is still good.
    pub fn revoke(
        &self,
        issuer: &str,
        token_id: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let mut writer = self.writer.lock();
        let transaction = self.begin(&mut writer)?;
        transaction.execute("DELETE FROM withdrawn_tokens WHERE until_ms < ?1", [now.0])?;
        transaction.execute(
            "INSERT INTO withdrawn_tokens VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)",
            params![issuer, token_id, until.0],
        )?;
        self.commit(transaction)
    }

    /// Whether a token was withdrawn.
    ///
    /// # Errors
    /// When the file cannot be read; the caller then has to refuse the token.
    pub fn revoked(&self, issuer: &str, token_id: &str) -> Result<bool, StateError> {
        let reader = self.reader.lock();
        let mut listed = reader.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM withdrawn_tokens WHERE issuer = ?1 AND token_id = ?2)",
        )?;
        Ok(listed.query_row(params![issuer, token_id], |row| row.get(0))?)
    }
}
