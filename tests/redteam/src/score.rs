//! How often an attack was right, and how often it may be right.

/// What became of some guesses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Right guesses.
    pub right: u64,
    /// Guesses.
    pub of: u64,
    /// How many would have been right, as expected, without asking anything (or, where the attack says so, after the one
    /// question that is asked anyway).
    pub blind: f64,
}

impl Tally {
    /// One guess.
    pub fn one(right: bool, blind: f64) -> Self {
        Self { right: right.into(), of: 1, blind }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            right: self.right + other.right,
            of: self.of + other.of,
            blind: self.blind + other.blind,
        }
    }

    /// Share of right guesses.
    pub fn share(&self) -> f64 {
        float(self.right) / float(self.of.max(1))
    }

    /// Share that guessing would have got right.
    pub fn prior(&self) -> f64 {
        self.blind / float(self.of.max(1))
    }

    /// The upper end of the one-sided 95 % interval of Clopper and Pearson.
    pub fn at_most(&self) -> f64 {
        if self.right >= self.of {
            return 1.0;
        }
        // The share at which so few right guesses, or fewer, come in one of twenty runs.
        let (mut low, mut high) = (self.share(), 1.0);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.or_fewer(middle) > 0.05 { low = middle } else { high = middle }
        }
        high
    }

    /// The lower end of it.
    pub fn at_least(&self) -> f64 {
        1.0 - Self { right: self.of - self.right, ..*self }.at_most()
    }

    /// The chance of so many right guesses or fewer where each is right by this chance.
    fn or_fewer(&self, chance: f64) -> f64 {
        let (n, ln) = (float(self.of), |x: f64| libm::lgamma(x + 1.0));
        let each = |k: u64| {
            let k = float(k);
            let ways = ln(n) - ln(k) - ln(n - k);
            (ways + k * chance.ln() + (n - k) * (1.0 - chance).ln()).exp()
        };
        (0..=self.right).map(each).sum()
    }
}

/// The mean of estimates, each weighing as much as its error lets it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64, error: f64) {
        let weight = error.max(0.1).powi(2).recip();
        self.sum += value * weight;
        self.weight += weight;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.weight == 0.0
    }

    pub(crate) fn value(&self) -> f64 {
        self.sum / self.weight.max(f64::MIN_POSITIVE)
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of guesses are small")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn the_upper_end_is_where_so_few_come_in_one_of_twenty_runs() {
        // 0 of 20: 1 - 0.05^(1/20). The others from binomial sums in whole numbers.
        for (right, of, known) in
            [(0, 20, 0.13911), (5, 10, 0.77756), (60, 100, 0.68247), (7, 7, 1.0)]
        {
            let found = Tally { right, of, blind: 0.0 }.at_most();
            assert!((found - known).abs() < 2e-5, "{right} of {of}: {found}");
        }
    }
}
