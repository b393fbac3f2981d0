//! The permit: what one analyst may see under one agreement at this moment.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use cordon_catalogue::{ColumnName, TableName};
use cordon_disclosure::{Code, Profile, Refusal};

use crate::{Agreement, AgreementId, Agreements, OptOuts, Status, UserId};

/// What an agreement grants of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableGrant {
    /// The columns that exist for the analyst.
    pub columns: BTreeSet<ColumnName>,
    /// First and last financial year, as the year column spells them (`1819`, `2223`); none means all.
    pub years: Option<(String, String)>,
    /// The rows that exist for the analyst; none means all.
    pub rows: Option<RowFilter>,
}

/// A row filter: the column's value is one of these. (Typed, so that it cannot be a hole.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFilter {
    /// A column of the table, granted or not.
    pub column: ColumnName,
    /// The codes that pass.
    pub one_of: BTreeSet<String>,
}

/// What one analyst may see under one agreement at this moment. Made by [`permit`] only.
#[derive(Clone, Debug)]
pub struct Permit {
    pub(crate) analyst: UserId,
    pub(crate) agreement: AgreementId,
    pub(crate) meter: AgreementId,
    pub(crate) grants: BTreeMap<TableName, TableGrant>,
    pub(crate) opt_outs: OptOuts,
    pub(crate) profile: Arc<Profile>,
}

impl Permit {
    /// Who asks.
    pub fn analyst(&self) -> &UserId {
        &self.analyst
    }

    /// Under which agreement.
    pub fn agreement(&self) -> &AgreementId {
        &self.agreement
    }

    /// Under what its answers are charged, see [`Agreements::lineage`].
    pub fn meter(&self) -> &AgreementId {
        &self.meter
    }

    /// What is granted of a protected table; none: it does not exist. Reference tables are everybody's.
    pub fn grant(&self, table: &TableName) -> Option<&TableGrant> {
        self.grants.get(table)
    }

    /// All granted protected tables.
    pub fn grants(&self) -> impl Iterator<Item = (&TableName, &TableGrant)> {
        self.grants.iter()
    }

    /// The rules for whatever leaves.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Whether patients who opted out are left out.
    pub fn opt_outs(&self) -> OptOuts {
        self.opt_outs
    }

    /// Everything that decides which rows and columns are seen, as stable text: part of a question's fingerprint.
    pub fn fingerprint(&self) -> String {
        format!("{:?} {:?} {}", self.grants, self.opt_outs, self.profile.version())
    }
}

/// Decides whether `who` may ask today, and under which agreement.
///
/// `wanted` is needed only when `who` is named in several agreements that are in force.
///
/// # Errors
/// `CORDON-A101` no such agreement or not named in it, `A102` several, `A103` not in force. One text for
/// an agreement that does not exist and one that does not name `who`.
pub fn permit(
    agreements: &Agreements,
    who: &UserId,
    wanted: Option<&str>,
    today: NaiveDate,
) -> Result<Permit, Refusal> {
    let agreement = match wanted {
        Some(wanted) => named(agreements, who, wanted, today)?,
        None => only(agreements, who, today)?,
    };
    Ok(Permit {
        analyst: who.clone(),
        agreement: agreement.id.clone(),
        meter: agreements.lineage(&agreement.id),
        grants: agreement.grants.clone(),
        opt_outs: agreement.opt_outs,
        profile: Arc::clone(&agreement.profile),
    })
}

fn named<'a>(
    agreements: &'a Agreements,
    who: &'a UserId,
    wanted: &str,
    today: NaiveDate,
) -> Result<&'a Agreement, Refusal> {
    let agreement = agreements
        .get(wanted)
        .filter(|agreement| agreement.names(who))
        .ok_or_else(|| unknown(wanted))?;
    if agreement.in_force(today) { Ok(agreement) } else { Err(not_in_force(agreement, today)) }
}

fn only<'a>(
    agreements: &'a Agreements,
    who: &'a UserId,
    today: NaiveDate,
) -> Result<&'a Agreement, Refusal> {
    let own: Vec<&Agreement> = agreements.of(who).collect();
    let usable: Vec<&Agreement> =
        own.iter().copied().filter(|agreement| agreement.in_force(today)).collect();
    match (usable.as_slice(), own.as_slice()) {
        ([one], _) => Ok(one),
        ([], []) => Err(Refusal::new(Code::AgreementUnknown, "no agreement names you")),
        ([], [one]) => Err(not_in_force(one, today)),
        ([], _) => {
            Err(Refusal::new(Code::AgreementExpired, "none of your agreements is in force today"))
        }
        (several, _) => {
            let names: Vec<String> =
                several.iter().map(|agreement| format!("`{}`", agreement.id)).collect();
            let what = format!("you are named in several agreements: {}", names.join(", "));
            Err(Refusal::new(Code::AgreementAmbiguous, what))
        }
    }
}

/// The same words for an agreement that does not exist and for one that names others: who works under which
/// agreement is nobody else's business (I5).
fn unknown(wanted: &str) -> Refusal {
    let plain = wanted.len() <= 40
        && wanted.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        && !wanted.is_empty();
    let what = if plain {
        format!("no agreement `{wanted}` names you")
    } else {
        // Headers can hold anything; what is not a reference is not repeated.
        "no agreement of the reference sent names you".to_owned()
    };
    Refusal::new(Code::AgreementUnknown, what)
}

/// Only for somebody whom the agreement names.
fn not_in_force(agreement: &Agreement, today: NaiveDate) -> Refusal {
    let id = &agreement.id;
    let (first, last) = agreement.term;
    let refusal = |what: String| Refusal::new(Code::AgreementExpired, what);
    match agreement.status {
        Status::Draft => refusal(format!("agreement `{id}` is not signed yet"))
            .instead("wait until its approval is recorded"),
        Status::Suspended => refusal(format!("agreement `{id}` is suspended"))
            .instead("ask the agreement's signatory why it was suspended"),
        Status::Revoked => refusal(format!("agreement `{id}` was revoked"))
            .instead("ask the agreement's signatory for a new agreement"),
        Status::Active if today < first => {
            refusal(format!("agreement `{id}` starts on {first}")).instead("come back on that day")
        }
        Status::Active => refusal(format!("agreement `{id}` ended on {last}")),
    }
}
