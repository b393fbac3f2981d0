//! Differential privacy: what all answers of an agreement together tell of one person is bounded by a theorem, whatever
//! anybody knows of everybody else.
//!
//! First a person is bounded ([`Bounding`]): it counts in few groups and with few rows, chosen by a keyed draw that looks
//! at nobody else. Then every figure receives noise from the discrete Gaussian distribution, with a spread that hides
//! a whole person. Nothing is decided by the data: groups are listed because a public list has them, or because
//! their noisy number of people is large enough. Each table spends zero-concentrated differential privacy (Bun and
//! Steinke 2016), which adds up over tables; the meter counts tables, and ends at the profile's budget.
//!
//! The mechanisms are OpenDP's, and so are the proofs: discrete Gaussian noise (Canonne, Kamath and Steinke 2020) on whole
//! numbers, and the same with a threshold (Rogers 2023). What is drawn here is checked against OpenDP's own account of
//! what it spends before anything is drawn. Its random numbers come from ChaCha20, keyed by the operating system:
//! decision 0014.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::Hasher as _;

use arrow_array::ArrayRef;
use arrow_row::{RowConverter, SortField};
use arrow_schema::ArrowError;
use opendp::domains::{AtomDomain, MapDomain, VectorDomain};
use opendp::measurements::{make_gaussian, make_gaussian_threshold};
use opendp::measures::{Approximate, ZeroConcentratedDivergence};
use opendp::metrics::{AbsoluteDistance, L2Distance, L02InfDistance};
use siphasher::sip::SipHasher24;

use crate::{Gathering, Measure, Part, PeopleKey, RawCell};

/// The numbers of differential privacy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrivacyRule {
    /// In how many groups of a grouping set a person counts at most.
    pub(crate) groups: u32,
    /// With how many rows in each of them.
    pub(crate) rows: u32,
    /// What one figure column of one grouping set spends, in zero-concentrated differential privacy.
    pub(crate) rho: f64,
    /// What finding out the groups of one grouping set spends beside that.
    pub(crate) delta: f64,
    /// After how many of them nothing new is drawn.
    pub(crate) budget: f64,
}

/// Noise could not be drawn, or would not have kept what is promised: an internal error, and nothing leaves.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// OpenDP's own reason.
    #[error("noise could not be drawn")]
    Noise(#[from] opendp::error::Error),
    /// The account of a draw is more than the profile allows.
    #[error("a draw would spend more than the profile says")]
    Spends,
    /// A sum of which nobody knows what one person can add.
    #[error("a total without public bounds")]
    Unbounded,
}

/// What a figure is drawn with.
#[derive(Clone, Copy, Debug)]
struct Spread {
    /// How far apart the figures of neighbours are at most, as vectors of all groups.
    distance: f64,
    /// One standard deviation.
    scale: f64,
}

impl PrivacyRule {
    /// How people are bounded before anything is added up.
    pub fn bounding(&self) -> Bounding {
        Bounding { groups: self.groups as usize, rows: self.rows }
    }

    /// The most that one person can be in a group: `of_row` is the most that one row can contribute to a total.
    pub(crate) fn most(
        &self,
        measure: Measure,
        of_row: Option<u128>,
    ) -> Result<u128, PrivacyError> {
        match measure {
            Measure::Persons => Ok(1),
            Measure::Rows => Ok(u128::from(self.rows)),
            Measure::Total { .. } => of_row
                .map(|most| most.saturating_mul(self.rows.into()))
                .ok_or(PrivacyError::Unbounded),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "rounded up below")]
    fn spread(&self, most: u128) -> Spread {
        // A ten-millionth more than the formula says covers all rounding; the account is checked anyway.
        let distance = f64::from(self.groups).sqrt() * most.max(1) as f64 * (1.0 + 1e-9);
        Spread { distance, scale: distance / (2.0 * self.rho).sqrt() * (1.0 + 1e-9) }
    }

    /// One standard deviation of the figures of a measure, in their fixed point.
    pub(crate) fn error(&self, most: u128) -> f64 {
        self.spread(most).scale
    }

    /// Figures with noise: as many as came in.
    pub(crate) fn noisy(&self, figures: &[i128], most: u128) -> Result<Vec<i64>, PrivacyError> {
        let spread = self.spread(most);
        let draw = make_gaussian::<_, _, ZeroConcentratedDivergence>(
            VectorDomain::new(AtomDomain::<i64>::default()),
            L2Distance::<f64>::default(),
            spread.scale,
            None,
        )?;
        if draw.map(&spread.distance)? > self.rho {
            return Err(PrivacyError::Spends);
        }
        Ok(draw.invoke(&figures.iter().map(|figure| within(*figure)).collect())?)
    }

    /// Which of these groups are listed: those whose noisy number of people reaches a threshold that one person alone
    /// hardly ever does.
    pub(crate) fn listed(
        &self,
        people: impl Iterator<Item = (u64, u64)>,
    ) -> Result<HashSet<u64>, PrivacyError> {
        let spread = self.spread(1);
        let draw = make_gaussian_threshold::<_, _, Approximate<ZeroConcentratedDivergence>>(
            MapDomain::new(AtomDomain::<u64>::default(), AtomDomain::<i64>::default()),
            L02InfDistance::<AbsoluteDistance<f64>>::default(),
            spread.scale,
            self.least_people(),
            None,
        )?;
        let (rho, delta) = draw.map(&(self.groups, spread.distance, 1.0))?;
        if rho > self.rho || delta > self.delta {
            return Err(PrivacyError::Spends);
        }
        // Nobody has a group of nobody.
        let people: HashMap<u64, i64> = people
            .filter(|(_, people)| *people > 0)
            .map(|(group, people)| (group, within(people.into())))
            .collect();
        Ok(draw.invoke(&people)?.into_keys().collect())
    }

    /// From how many people on, by their noisy number, a group is listed: one person, and as much noise as is
    /// exceeded with probability delta in none of its groups (the tail of a Gaussian beyond t is below exp(-t²/2)).
    #[expect(clippy::cast_possible_truncation, reason = "some hundreds")]
    pub(crate) fn least_people(&self) -> i64 {
        let tail = (2.0 * (f64::from(self.groups) / self.delta).ln()).sqrt();
        (1.0 + self.spread(1).scale * tail).ceil() as i64
    }

    /// How often somebody who knows all others is right about one bit of a person, at most, after so many charged answers:
    /// noise of this scale tells two neighbours apart by sqrt(2 rho) standard deviations, and everything asked adds up in
    /// squares (Dong, Roth and Su 2022, corollary 2). Half is guessing.
    pub fn right_at_most(&self, charged: f64) -> f64 {
        let apart = (2.0 * self.rho * charged.min(self.budget)).sqrt();
        0.5 * libm::erfc(-0.5 * apart / std::f64::consts::SQRT_2)
    }

    /// Epsilon of everything that an agreement may ever ask, at the delta that is told with it.
    pub fn whole(&self) -> (f64, f64) {
        let (rho, delta) = (self.rho * self.budget, 1e-6);
        // Bun and Steinke 2016, proposition 1.3; half of delta for finding out groups.
        let spare = delta - self.delta * self.budget;
        (rho + 2.0 * (rho * (1.0 / spare.max(self.delta)).ln()).sqrt(), delta)
    }

    /// What is done to every figure of a measure, in words.
    pub(crate) fn treatment(&self, measure: Measure) -> Vec<String> {
        let Self { groups, rows, rho, .. } = self;
        let each = match measure {
            Measure::Persons => String::new(),
            Measure::Rows => format!(" with at most {rows} rows in each"),
            Measure::Total { .. } => {
                format!(" with at most {rows} times the largest value of the column in each")
            }
        };
        vec![
            format!("each person counts in at most {groups} groups{each}"),
            format!("discrete Gaussian noise, rho {rho}"),
        ]
    }
}

fn within(figure: i128) -> i64 {
    i64::try_from(figure).unwrap_or(if figure < 0 { i64::MIN } else { i64::MAX })
}

/// How much of one person goes into a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounding {
    groups: usize,
    rows: u32,
}

/// One figure of a table while people are bounded.
#[derive(Debug)]
pub struct Unbounded {
    /// What it is gathered by.
    pub by: Gathering,
    /// The most that one row can contribute to a total, in its fixed point.
    pub most: Option<u128>,
    /// For each group who contributes what, each person once.
    pub groups: Vec<Vec<Part>>,
}

impl Bounding {
    /// The evidence of one grouping set. `keys` are its group columns; of every row the first figure must hold a part.
    ///
    /// Each person keeps the groups that a draw puts first, which is keyed and looks at the person and at the names of
    /// its groups only: taking one person away changes nothing of what is kept of others.
    ///
    /// # Errors
    /// When the key columns cannot be compared.
    pub fn cells(
        &self,
        key: &PeopleKey,
        keys: &[ArrayRef],
        figures: Vec<Unbounded>,
    ) -> Result<Vec<Vec<RawCell>>, ArrowError> {
        let Some(everybody) = figures.first() else { return Ok(Vec::new()) };
        let kept = self.kept(key, &names(keys, everybody.groups.len())?, &everybody.groups);
        let bounded = |Unbounded { by, most, groups }: Unbounded| {
            let most = match by.decimals {
                None => u128::from(self.rows),
                Some(_) => most.unwrap_or(0).saturating_mul(self.rows.into()),
            };
            let most = i128::try_from(most).unwrap_or(i128::MAX);
            let cell = |(mut parts, kept): (Vec<Part>, &Vec<i64>)| {
                parts.retain(|part| kept.binary_search(&part.person).is_ok());
                for part in &mut parts {
                    part.contribution = part.contribution.clamp(-most, most);
                }
                RawCell::of_parts(&parts, &by)
            };
            groups.into_iter().zip(&kept).map(cell).collect()
        };
        Ok(figures.into_iter().map(bounded).collect())
    }

    /// For each group the people who keep it, in order. One list of everybody with each group is all the memory it takes.
    fn kept(&self, key: &PeopleKey, names: &[u64], groups: &[Vec<Part>]) -> Vec<Vec<i64>> {
        let mut all = Vec::with_capacity(groups.iter().map(Vec::len).sum());
        for (at, (parts, name)) in groups.iter().zip(names).enumerate() {
            all.extend(parts.iter().map(|part| (part.person, key.drawn(part.person, *name), at)));
        }
        all.sort_unstable();
        let mut kept = vec![Vec::new(); groups.len()];
        for own in all.chunk_by(|one, other| one.0 == other.0) {
            for (person, _, at) in own.iter().take(self.groups) {
                if let Some(kept) = kept.get_mut(*at) {
                    kept.push(*person);
                }
            }
        }
        kept
    }
}

/// A number for each group that its keys alone decide.
fn names(keys: &[ArrayRef], groups: usize) -> Result<Vec<u64>, ArrowError> {
    if keys.is_empty() {
        return Ok(vec![0; groups]);
    }
    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(keys)?;
    let name = |row: arrow_row::Row<'_>| {
        let mut hash = SipHasher24::new();
        hash.write(row.as_ref());
        hash.finish()
    };
    Ok(rows.iter().map(name).collect())
}
