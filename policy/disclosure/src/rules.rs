//! The rules of one cell, in the order in which they are applied: threshold, clip, rounding.
//!
//! A rule says "shown as this" or "suppressed". It does not say why to anybody: zero and few must look
//! the same, and so must a figure that is too large for its column.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use crate::cell_key::PerturbationTable;
use crate::sabotage::{Control, is_off};
use crate::{Clip, Measure, NoiseRule, Profile, Protection, RawCell, ZeroRule};

/// Totals are shown as Decimal128 with 38 digits.
const DECIMAL_LIMIT: u128 = 10_u128.pow(38);

/// The figure as it may be shown, in the cell's own fixed point; none: suppressed.
pub(crate) fn shown(profile: &Profile, measure: Measure, cell: &RawCell) -> Option<i128> {
    if cell.persons == 0 {
        return nobody(profile);
    }
    // I2: people are counted, not rows.
    if cell.persons < profile.threshold && !is_off(Control::Threshold) {
        return None;
    }
    if profile.protection == Protection::CellKey && !matches!(measure, Measure::Total { .. }) {
        return perturbed(profile, cell);
    }
    let figure = match measure {
        // I8: only counts of base rows and of persons use the plain base.
        Measure::Persons | Measure::Rows => Step::plain(profile.rounding).nearest(cell.figure),
        Measure::Total { decimals } => total(profile, decimals, cell),
    };
    figure.filter(|figure| fits(measure, *figure))
}

/// One standard deviation of what the rules do to a count: its rounding.
#[expect(clippy::cast_precision_loss, reason = "a rounding base is a small number")]
pub(crate) fn spread(profile: &Profile) -> f32 {
    let base = if profile.rounding == 1 { 0.0 } else { profile.rounding as f32 };
    base / 12f32.sqrt()
}

/// The cell-key method: what is added depends on the count and on the keys of the cell, added up. The
/// package applies its threshold afterwards.
fn perturbed(profile: &Profile, cell: &RawCell) -> Option<i128> {
    static TEN_FIVE: LazyLock<PerturbationTable> = LazyLock::new(PerturbationTable::ten_five);
    let table = &*TEN_FIVE;
    let count = u64::try_from(cell.figure).ok()?;
    let keys = i128::from(table.cell_keys());
    let key = u64::try_from(cell.weighted.checked_rem_euclid(keys)?).ok()?;
    let figure = i128::from(table.perturb(count, key));
    (figure >= i128::from(profile.threshold)).then_some(figure)
}

/// A zero is as telling as a three: "nobody here was admitted" is a fact about everyone there. So it looks
/// like any small figure, but in fixed publication tables (HES rule of 2018: 0 is shown as 0).
pub(crate) fn nobody(profile: &Profile) -> Option<i128> {
    match profile.zeros {
        ZeroRule::Suppressed => None,
        ZeroRule::Shown => Some(0),
    }
}

/// Dominance flattens, it does not suppress: an exact edge between shown and suppressed could be
/// searched for the value of one person.
fn total(profile: &Profile, decimals: u8, cell: &RawCell) -> Option<i128> {
    let (figure, contribution) = match profile.clip {
        Clip::ThresholdLargest => (cell.clipped, cell.clip),
        // Not clipped, so the largest person of all sets the scale.
        Clip::None => (cell.figure, cell.largest),
    };
    if profile.rounding == 1 {
        return Some(figure);
    }
    Step::scaled(profile.rounding, contribution, decimals)?.nearest(figure)
}

pub(crate) fn fits(measure: Measure, figure: i128) -> bool {
    match measure {
        Measure::Persons | Measure::Rows => i64::try_from(figure).is_ok(),
        Measure::Total { .. } => figure.unsigned_abs() < DECIMAL_LIMIT,
    }
}

/// What a figure is rounded to a multiple of: `numerator / denominator` in the figure's fixed point. A
/// fraction, because half of a unit need not be a whole number of the last digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    numerator: u128,
    denominator: u128,
}

impl Step {
    pub(crate) fn plain(base: u64) -> Self {
        Self { numerator: u128::from(base), denominator: 1 }
    }

    /// I8: the base times the scale, which is the contribution rounded up to a power of two in the unit of
    /// the figure (40 days: 64; a fraction of 0.3: 0.5). Multiplying everybody's value multiplies the step,
    /// so no device that multiplies a figure makes it relatively more precise. The power of two keeps the
    /// step from telling the contribution.
    pub(crate) fn scaled(base: u64, contribution: u128, decimals: u8) -> Option<Self> {
        let unit = 10_u128.checked_pow(u32::from(decimals))?;
        let base = u128::from(base);
        // Nobody contributes anything but zero; the figure is 0 in any step.
        if contribution == 0 {
            return Some(Self { numerator: base.checked_mul(unit)?, denominator: 1 });
        }
        let mut scale = unit;
        while scale < contribution {
            scale = scale.checked_mul(2)?;
        }
        let mut denominator = 1_u128;
        while contribution
            .checked_mul(denominator)
            .and_then(|halved| halved.checked_mul(2))
            .is_some_and(|halved| halved <= unit)
        {
            denominator = denominator.checked_mul(2)?;
        }
        Some(Self { numerator: base.checked_mul(scale)?, denominator })
    }

    /// So many steps, in the figure's fixed point.
    pub(crate) fn times(self, steps: i64) -> Option<i128> {
        let magnitude = self.numerator.checked_mul(u128::from(steps.unsigned_abs()))?;
        let magnitude = i128::try_from(divide(magnitude, self.denominator)?).ok()?;
        Some(if steps < 0 { -magnitude } else { magnitude })
    }

    /// One step in the figure's fixed point, for what is said about it.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the size of an error has no more than a few digits"
    )]
    pub(crate) fn size(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// The nearest multiple, ties away from zero; none when it cannot be computed in 128 bits.
    pub(crate) fn nearest(self, figure: i128) -> Option<i128> {
        let parts = figure.unsigned_abs().checked_mul(self.denominator)?;
        let steps = divide(parts, self.numerator)?;
        let magnitude = divide(steps.checked_mul(self.numerator)?, self.denominator)?;
        let magnitude = i128::try_from(magnitude).ok()?;
        Some(if figure < 0 { -magnitude } else { magnitude })
    }
}

/// The nearest whole number to a quotient, ties up.
fn divide(dividend: u128, divisor: u128) -> Option<u128> {
    // Most figures are small, and dividing numbers of 128 bits is slow.
    let (quotient, rest) = match (u64::try_from(dividend), u64::try_from(divisor)) {
        (Ok(dividend), Ok(divisor)) => {
            let quotient = dividend.checked_div(divisor)?;
            (u128::from(quotient), u128::from(dividend - quotient * divisor))
        }
        _ => {
            let quotient = dividend.checked_div(divisor)?;
            (quotient, dividend - quotient * divisor)
        }
    };
    if rest >= divisor.checked_sub(rest)? { quotient.checked_add(1) } else { Some(quotient) }
}

/// What is done to every figure of a measure, from the profile only: the same words for every table.
pub(crate) fn treatment(profile: &Profile, measure: Measure) -> String {
    let scaled = matches!(measure, Measure::Total { .. });
    let parts = match &profile.protection {
        Protection::Noise(rule) => noise_treatment(profile, rule, measure),
        Protection::Privacy(rule) => rule.treatment(measure),
        Protection::CellKey if !scaled => vec![
            "perturbed by cell key, rule 10-5".to_owned(),
            format!("below {} suppressed", profile.threshold),
        ],
        Protection::CellKey | Protection::Rules => rule_treatment(profile, scaled),
    };
    parts.join("; ")
}

fn noise_treatment(profile: &Profile, rule: &NoiseRule, measure: Measure) -> Vec<String> {
    let mut parts = Vec::new();
    parts.extend(match measure {
        Measure::Persons => None,
        Measure::Rows => Some(format!(
            "who makes up more than 1/{} of a cell counts for that part",
            profile.threshold
        )),
        Measure::Total { .. } => Some(format!(
            "each person's part limited to the largest power of two that {} people reach by more than half",
            people(profile, rule)
        )),
    });
    let scale = match measure {
        Measure::Total { .. } => " times that limit",
        Measure::Persons | Measure::Rows => "",
    };
    let NoiseRule { variance, per_person, weights, .. } = rule;
    parts.push(format!(
        "noise of variance {variance} + {per_person} for each person{scale}, and weights of people of variance {weights}"
    ));
    parts.push(format!("rounded to {}{scale}", profile.rounding));
    parts.push(format!("fewer than {} people suppressed", people(profile, rule)));
    parts
}

/// The threshold in words.
pub(crate) fn people(profile: &Profile, rule: &NoiseRule) -> String {
    match rule.threshold_jitter {
        0 => profile.threshold.to_string(),
        jitter => format!("{} to {}", profile.threshold, profile.threshold + jitter),
    }
}

fn rule_treatment(profile: &Profile, scaled: bool) -> Vec<String> {
    let mut parts = Vec::new();
    if scaled && profile.clip == Clip::ThresholdLargest {
        parts.push(limited(profile));
    }
    parts.push(match (profile.rounding, scaled) {
        (1, _) => "not rounded".to_owned(),
        (base, false) => format!("rounded to {base}"),
        (base, true) => {
            let scale = match profile.clip {
                Clip::ThresholdLargest => "that limit",
                Clip::None => "the largest part of one person",
            };
            format!("rounded to {base} times {scale} taken up to a power of two")
        }
    });
    let zeros = match profile.zeros {
        ZeroRule::Suppressed => "",
        ZeroRule::Shown => ", none shown as 0",
    };
    parts.push(format!("fewer than {} people suppressed{zeros}", profile.threshold));
    parts
}

fn limited(profile: &Profile) -> String {
    format!("each person's part limited to the {} of its cell", nth_largest(profile.threshold))
}

fn nth_largest(rank: u64) -> String {
    let ending = match (rank % 10, rank % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{rank}{ending} largest")
}
