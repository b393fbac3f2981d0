//! The meter of an agreement: how much it has learned, as a public number.
//!
//! Each table is charged, per grouping set and measure, the largest V / (V + c·n) over its shown figures, n
//! being the released number of persons behind one: small cells tell more of each person than large ones. Totals are
//! charged as of T persons, since few may make up all of one. Nothing is charged less than the profile's least.
//! Everything that goes into it is released, so the charge tells nothing more, and it does not depend on
//! whether figures were drawn or copied.

use std::collections::BTreeMap;

/// Charged answers, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Charge(pub u64);

impl Charge {
    /// As a number of answers.
    #[expect(clippy::cast_precision_loss, reason = "millionths of answers are far below 2^52")]
    pub fn answers(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Rounded up: nobody is charged less than what was answered.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "charges are small positive numbers"
    )]
    pub(crate) fn of(answers: f64) -> Self {
        Self((answers.max(0.0) * 1e6).ceil() as u64)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// The smallest released number of persons behind a shown figure, for each grouping set and measure.
#[derive(Debug, Default)]
pub(crate) struct Smallest(BTreeMap<(i128, usize), Option<i128>>);

impl Smallest {
    /// One cell: its grouping set, the measure's number, and the persons behind it if it is shown.
    pub(crate) fn cell(&mut self, set: i128, measure: usize, shown: Option<i128>) {
        let smallest = self.0.entry((set, measure)).or_default();
        *smallest = match (*smallest, shown) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// For each, its persons; none where nothing is shown.
    pub(crate) fn each(&self) -> impl Iterator<Item = Option<i128>> {
        self.0.values().copied()
    }
}
