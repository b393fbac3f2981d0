//! The agreement as a checked record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use cordon_catalogue::{Catalogue, TableName};
use cordon_disclosure::Profile;

use crate::{AgreementError, TableGrant, file};

/// `DARS-NIC-635697-P0C5M`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgreementId(pub(crate) String);

/// A signed-in person: issuer and subject together, never the subject alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub(crate) String);

/// Where an agreement stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being written, approved or signed: not usable yet.
    Draft,
    /// In force inside its term.
    Active,
    /// Stopped for now.
    Suspended,
    /// Ended before its term.
    Revoked,
}

/// Whether patients who opted out are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOuts {
    /// They are left out.
    Applied,
    /// They are counted, for the reason stated in the agreement.
    NotApplied,
}

/// Where results may be used. Recorded and shown; the place of a sign-in is not checked against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum Territory {
    /// United Kingdom.
    #[serde(rename = "UK")]
    UnitedKingdom,
    /// England and Wales.
    #[serde(rename = "EW")]
    EnglandAndWales,
    /// European Economic Area.
    #[serde(rename = "EEA")]
    EuropeanEconomicArea,
    /// Worldwide.
    #[serde(rename = "WW")]
    Worldwide,
}

/// One agreement, checked.
#[derive(Clone, Debug)]
pub struct Agreement {
    pub(crate) id: AgreementId,
    /// The agreement that it continues.
    pub(crate) follows: Option<AgreementId>,
    pub(crate) title: String,
    pub(crate) organisation: String,
    pub(crate) controller: String,
    pub(crate) purpose: String,
    pub(crate) legal_basis: String,
    pub(crate) territory: Territory,
    pub(crate) status: Status,
    /// First and last day (inclusive).
    pub(crate) term: (NaiveDate, NaiveDate),
    pub(crate) people: BTreeSet<UserId>,
    pub(crate) grants: BTreeMap<TableName, TableGrant>,
    pub(crate) opt_outs: OptOuts,
    pub(crate) opt_outs_reason: String,
    pub(crate) profile: Arc<Profile>,
}

/// All agreements of this house.
#[derive(Clone, Debug, Default)]
pub struct Agreements {
    pub(crate) all: BTreeMap<AgreementId, Agreement>,
}

/// The issuer of the people that this house signs in itself. Files may write `researcher` and mean
/// `cordon-local#researcher`.
pub const LOCAL_ISSUER: &str = "cordon-local";

impl AgreementId {
    /// The same in whatever version: `DARS-NIC-635697-P0C5M` for `DARS-NIC-635697-P0C5M-v1.2`.
    fn without_version(&self) -> Self {
        let versioned = self.0.rsplit_once("-v").filter(|(_, version)| version.contains('.'));
        Self(versioned.map_or(self.0.as_str(), |(reference, _)| reference).to_owned())
    }
}

impl Agreement {
    /// The reference.
    pub fn id(&self) -> &AgreementId {
        &self.id
    }

    /// The project's title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// ODS code of the organisation that signed.
    pub fn organisation(&self) -> &str {
        &self.organisation
    }

    /// The body that answers for the use of the data.
    pub fn controller(&self) -> &str {
        &self.controller
    }

    /// The use that is allowed: `research`, `commissioning`.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The law under which the data are given.
    pub fn legal_basis(&self) -> &str {
        &self.legal_basis
    }

    /// Where results may be used.
    pub fn territory(&self) -> Territory {
        self.territory
    }

    /// Where it stands in its life.
    pub fn status(&self) -> Status {
        self.status
    }

    /// First and last day, inclusive.
    pub fn term(&self) -> (NaiveDate, NaiveDate) {
        self.term
    }

    /// Everybody whom the organisation's user manager named.
    pub fn people(&self) -> impl Iterator<Item = &UserId> {
        self.people.iter()
    }

    /// Whether `who` is named.
    pub fn names(&self, who: &UserId) -> bool {
        self.people.contains(who)
    }

    /// Protected tables and what is granted of them.
    pub fn grants(&self) -> impl Iterator<Item = (&TableName, &TableGrant)> {
        self.grants.iter()
    }

    /// Whether patients who opted out are left out.
    pub fn opt_outs(&self) -> OptOuts {
        self.opt_outs
    }

    /// Why opt-outs are applied or not.
    pub fn opt_outs_reason(&self) -> &str {
        &self.opt_outs_reason
    }

    /// The rules for whatever leaves.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Whether queries may run under it on that day.
    pub fn in_force(&self, today: NaiveDate) -> bool {
        let (first, last) = self.term;
        self.status == Status::Active && (first..=last).contains(&today)
    }
}

impl Agreements {
    /// Reads and checks agreement files: name and text of each.
    ///
    /// # Errors
    /// When a file is not an agreement, contradicts the catalogue, names a profile that `profiles` does not
    /// know, two files have one reference, or exact and noisy figures of the same rows would meet in one
    /// person's hands ([`Agreement::contradicts`]).
    pub fn from_files(
        files: impl IntoIterator<Item = (String, String)>,
        catalogue: &Catalogue,
        profiles: &dyn Fn(&str) -> Option<Profile>,
    ) -> Result<Self, AgreementError> {
        let mut all: BTreeMap<AgreementId, Agreement> = BTreeMap::new();
        for (file, text) in files {
            let agreement = file::read(&file, &text, catalogue, profiles)?;
            let problem = all.values().find_map(|other| {
                agreement.contradicts(other).or_else(|| other.contradicts(&agreement))
            });
            if let Some(problem) = problem {
                return Err(AgreementError { file, problem });
            }
            let id = agreement.id.clone();
            if all.insert(id.clone(), agreement).is_some() {
                let problem =
                    format!("`reference` {id} stands in another file too; keep one of them");
                return Err(AgreementError { file, problem });
            }
        }
        Ok(Self { all })
    }

    /// The agreement of that reference.
    pub fn get(&self, id: &str) -> Option<&Agreement> {
        self.all.get(&AgreementId(id.to_owned()))
    }

    /// What the meter of an agreement counts under: the first of the agreements that it follows, without a version. What
    /// was learned under those is known still, so a renewal, an extension or a new version begins at nothing only by name.
    pub fn lineage(&self, id: &AgreementId) -> AgreementId {
        let (mut first, mut later) = (id.without_version(), Vec::new());
        while let Some(before) = self.before(&first) {
            later.push(first);
            if let Some(from) = later.iter().position(|known| *known == before) {
                // A circle: the smallest name in it, whichever of them asks.
                return later.split_off(from).into_iter().min().unwrap_or(before);
            }
            first = before;
        }
        first
    }

    /// What any version of an agreement follows.
    fn before(&self, id: &AgreementId) -> Option<AgreementId> {
        let versions = self.all.values().filter(|agreement| agreement.id.without_version() == *id);
        let before = versions.filter_map(|agreement| agreement.follows.as_ref());
        before.map(AgreementId::without_version).filter(|before| before != id).min()
    }

    /// All agreements, by reference.
    pub fn all(&self) -> impl Iterator<Item = &Agreement> {
        self.all.values()
    }

    /// The agreements that name `who`, in force or not, by reference.
    pub fn of<'a>(&'a self, who: &'a UserId) -> impl Iterator<Item = &'a Agreement> {
        self.all.values().filter(move |agreement| agreement.names(who))
    }
}

impl AgreementId {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserId {
    /// The person `subject` as the issuer `issuer` knows them.
    ///
    /// The first `#` always divides the two: an issuer is a URL without a fragment (OpenID Connect Core,
    /// 2), and a `#` in it is written `%23`, so that no pair of issuer and subject can be taken for another.
    pub fn new(issuer: &str, subject: &str) -> Self {
        Self(format!("{}#{subject}", issuer.replace('#', "%23")))
    }

    /// As recorded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Status {
    /// As agreement files write it.
    pub fn word(self) -> &'static str {
        match self {
            Status::Draft => "draft",
            Status::Active => "active",
            Status::Suspended => "suspended",
            Status::Revoked => "revoked",
        }
    }
}

impl fmt::Display for AgreementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
