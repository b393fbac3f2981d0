//! Profiles: the numbers of disclosure control as data (`policy/profiles/*.toml`).
//!
//! Rules are written in code, their numbers never: no threshold is a constant here. A profile says
//! nothing about who may ask what; that is the agreement's.

mod file;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use crate::PrivacyRule;

/// Rules that a permit carries. Only a validated profile can be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    pub(crate) name: String,
    pub(crate) threshold: u64,
    pub(crate) rounding: u64,
    pub(crate) clip: Clip,
    pub(crate) zeros: ZeroRule,
    pub(crate) symbol: String,
    pub(crate) significant_digits: Option<u32>,
    pub(crate) protection: Protection,
}

/// What stands between one answer and the next.
#[derive(Clone, Debug, PartialEq)]
pub enum Protection {
    /// Exact rules only: for fixed tables by trusted staff. The same question gets the same answer, and
    /// nothing is known of near ones.
    Rules,
    /// Every figure has noise of its own, answered sets are remembered, and a meter runs.
    Noise(NoiseRule),
    /// Differential privacy: what one person can change is bounded before noise is drawn, nothing is decided by the
    /// data, and a budget ends it.
    Privacy(PrivacyRule),
    /// The cell-key method of the Office for National Statistics, for census style tables: each person has
    /// a key, a cell's keys are added up, and a table says what is added to its count.
    CellKey,
}

/// The numbers of noise, memory and meter.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseRule {
    /// j: the threshold of a set of people lies at T..=T+j, by a keyed draw.
    pub(crate) threshold_jitter: u64,
    /// k: sets that differ in fewer persons receive one outcome.
    pub(crate) separation: usize,
    /// Sets of many people may receive one outcome up to k plus this, by a keyed draw.
    pub(crate) separation_jitter: usize,
    /// v: variance of a person's weight.
    pub(crate) weights: f64,
    /// V: variance of a cell's own noise.
    pub(crate) variance: f64,
    /// c: what each person adds to that variance.
    pub(crate) per_person: f64,
    /// D: the largest noise of a cell of variance V; grows with the standard deviation.
    pub(crate) bound: u32,
    /// J: from this many charged answers on the noise of new draws grows in proportion.
    pub(crate) growth_from: Option<f64>,
    /// The most that the standard deviation of noise is multiplied by; without it growth has no end.
    pub(crate) growth_most: Option<f64>,
    /// What one grouping set of one measure is charged at least, however many people its figures rest on.
    pub(crate) least_charge: f64,
    /// Charged answers after which nothing new is drawn.
    pub(crate) budget: Option<f64>,
}

/// Whether large contributions are flattened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clip {
    /// Every person's total is clipped to the T-th largest of the cell.
    ThresholdLargest,
    /// Totals stand as they are (only for tables that other rules protect).
    None,
}

/// What a true zero looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroRule {
    /// As any small figure: nobody can tell none from few.
    Suppressed,
    /// Shown as 0 (fixed publication tables).
    Shown,
}

/// A profile file that cannot be right.
#[derive(Debug, thiserror::Error)]
#[error("profile `{profile}`: {problem}")]
pub struct ProfileError {
    /// Which profile.
    pub profile: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// The profiles that ship with Cordon, by name.
const BUILT_IN: &[(&str, &str)] = &[
    ("cell-key", include_str!("../../profiles/cell-key.toml")),
    ("differential-privacy", include_str!("../../profiles/differential-privacy.toml")),
    ("guarded", include_str!("../../profiles/guarded.toml")),
    ("hes-publication", include_str!("../../profiles/hes-publication.toml")),
    ("nhs-sde", include_str!("../../profiles/nhs-sde.toml")),
];

impl Profile {
    /// Reads and checks the text of a profile file; `file` is only for messages.
    ///
    /// # Errors
    /// When the text is not a profile, or a number would protect nobody.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, ProfileError> {
        file::read(file, text)
    }

    /// A profile that ships with Cordon.
    pub fn built_in(name: &str) -> Option<Self> {
        BUILT_IN
            .iter()
            .find(|(known, _)| *known == name)
            .and_then(|(known, text)| Self::from_toml(known, text).ok())
    }

    /// The names that [`Profile::built_in`] knows.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The name agreements use: `nhs-sde`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// T: the fewest distinct persons a shown figure may rest on. At least 2.
    pub fn threshold(&self) -> u64 {
        self.threshold
    }

    /// The rounding base of counts.
    pub fn rounding(&self) -> u64 {
        self.rounding
    }

    /// Whether large contributions are flattened.
    pub fn clip(&self) -> Clip {
        self.clip
    }

    /// What a true zero looks like.
    pub fn zeros(&self) -> ZeroRule {
        self.zeros
    }

    /// How suppressed cells look in text: `[c]`.
    pub fn symbol(&self) -> &str {
        &self.symbol
    }

    /// Digits of means and ratios; none means all.
    pub fn significant_digits(&self) -> Option<u32> {
        self.significant_digits
    }

    /// What stands between one answer and the next.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// k, where answered sets are remembered.
    pub fn separation(&self) -> Option<usize> {
        match &self.protection {
            Protection::Noise(rule) => Some(rule.separation),
            Protection::Rules | Protection::Privacy(_) | Protection::CellKey => None,
        }
    }

    /// Charged answers after which nothing new is drawn; none without such an end.
    pub fn budget(&self) -> Option<f64> {
        match &self.protection {
            Protection::Noise(rule) => rule.budget,
            Protection::Privacy(rule) => Some(rule.budget),
            Protection::Rules | Protection::CellKey => None,
        }
    }

    /// Whether answers are charged at all.
    pub fn has_meter(&self) -> bool {
        matches!(self.protection, Protection::Noise(_) | Protection::Privacy(_))
    }

    /// By how much the noise of new draws is multiplied when the meter stands there.
    pub(crate) fn growth(&self, meter: f64) -> f64 {
        match &self.protection {
            Protection::Noise(rule) => rule.growth(meter),
            Protection::Privacy(_) | Protection::Rules | Protection::CellKey => 1.0,
        }
    }

    /// Name and numbers as stable text. Part of a question's fingerprint: when the numbers of a profile
    /// change, an answer that was given under the old ones is not handed out again.
    pub fn version(&self) -> String {
        let Self { name, threshold, rounding, clip, zeros, symbol, significant_digits, protection } =
            self;
        let mut text = format!(
            "{name} threshold={threshold} rounding={rounding} clip={clip:?} zeros={zeros:?} symbol={symbol}"
        );
        if let Some(digits) = significant_digits {
            let _ = write!(text, " significant_digits={digits}");
        }
        match protection {
            Protection::Rules => {}
            Protection::Noise(rule) => {
                let _ = write!(text, " {rule:?}");
            }
            Protection::Privacy(rule) => {
                let _ = write!(text, " {rule:?}");
            }
            Protection::CellKey => text.push_str(" cell-key"),
        }
        text
    }
}

impl NoiseRule {
    /// j: the threshold of a set of people lies at T..=T+j.
    pub fn threshold_jitter(&self) -> u64 {
        self.threshold_jitter
    }

    /// v: the variance of a person's weight.
    pub fn weights(&self) -> f64 {
        self.weights
    }

    /// The variance of one cell's own noise, before growth: V + c·n, n being the persons behind it.
    pub fn cell_variance(&self, persons: f64) -> f64 {
        self.per_person.mul_add(persons.max(0.0), self.variance)
    }

    /// What one answer is charged whose smallest shown figure rests on so many persons: V / (V + c·n), which is what
    /// noise lets through, and never less than the profile says: whether two answers are one and the same tells
    /// something of a person in sets of any size.
    pub fn charge(&self, persons: f64) -> f64 {
        (self.variance / self.cell_variance(persons)).max(self.least_charge)
    }

    /// By how much the noise of new draws is multiplied when the meter stands there. A public number.
    pub fn growth(&self, meter: f64) -> f64 {
        let most = self.growth_most.unwrap_or(f64::INFINITY);
        self.growth_from.map_or(1.0, |from| (meter / from).clamp(1.0, most))
    }

    /// The most that one grouping set of one measure is charged: its smallest figure rests on T persons.
    pub fn largest_charge(&self, profile: &Profile) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a threshold is a small number")]
        let least = profile.threshold as f64;
        self.charge(least)
    }
}
