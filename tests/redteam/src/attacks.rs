//! The attacks. Each file holds those that work in the same way.

mod counts;
mod edges;
mod membership;
mod pairs;
mod patient;
mod search;
mod sums;
mod together;
mod versions;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use cordon_disclosure::{Part, Protection};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::score::Mean;
use crate::{Asking, House, Rules, Scale, Tally};

/// What an attack tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Whether somebody has something: guessing gives a half.
    Bit,
    /// An exact number.
    Exact,
}

/// One attack.
pub struct Attack {
    /// By what the literature, or this project, calls it.
    pub id: &'static str,
    /// What is done, in a line.
    pub name: &'static str,
    /// What it tells.
    pub goal: Goal,
    /// What was published, or measured elsewhere, of systems without the control.
    pub published: &'static str,
    /// The rules without the control, against which it must work.
    pub off: Off,
    /// Whether the language lets its sets be said.
    pub said: bool,
    /// How many targets, or runs of attacks on many at once.
    pub targets: u64,
    /// Fewest questions after which a guess is worth making.
    pub least: usize,
    /// Most questions of one run.
    pub most: usize,
    /// Whether several accounts are worth trying.
    pub collusion: bool,
    /// Attacks one target: what became of the guess after each budget.
    pub run: fn(&Setting<'_>, u64) -> Result<Vec<Tally>>,
}

/// Rules against which an attack is known to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// None is known: the attack lives on what protects from others.
    None,
    /// A threshold and exact figures.
    Threshold,
    /// `hes-publication`: a threshold and rounding.
    Hes,
    /// `cell-key`.
    CellKey,
    /// `nhs-sde` without memory of answered sets.
    Memory,
    /// `nhs-sde` with a memory of one release of the data.
    Releases,
    /// Noise of variance 1 that is drawn anew for each question.
    Keying,
    /// `nhs-sde` without a meter.
    Meter,
}

/// What one run is given.
pub struct Setting<'a> {
    /// The rules.
    pub rules: &'a Rules,
    /// Accounts, each with its own agreement; questions go round.
    pub accounts: u8,
    /// After how many questions a guess is due, rising.
    pub budgets: &'a [usize],
    /// How much effort.
    pub scale: Scale,
    /// What the attacker learned in houses of its own, see [`Setting::practised`].
    pub practice: &'a Mutex<Option<Vec<f64>>>,
    /// Where what is asked about one target is written down, and which.
    pub heard: Option<(u64, Arc<Mutex<Vec<Asking>>>)>,
}

impl Setting<'_> {
    /// A house for one target.
    fn house(&self, target: u64) -> Result<House> {
        let house = House::new(&self.rules.profile, self.rules.without, target)?;
        Ok(match &self.heard {
            Some((of, list)) if *of == target => house.heard_by(list, self.most()),
            _ => house,
        })
    }

    /// What was found in houses that the attacker built for itself: the rules are known, so it can look how what it does
    /// turns out. Once for all targets.
    fn practised(&self, practise: impl FnOnce() -> Result<Vec<f64>>) -> Result<Vec<f64>> {
        let mut known = self.practice.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(known) => Ok(known.clone()),
            None => Ok(known.insert(practise()?).clone()),
        }
    }

    /// Whether a target has the bit, by a number that is seen after each budget: nearer to what it was in own houses of people
    /// with the bit, or to what it was in those of people without.
    fn compared(
        &self,
        target: u64,
        see: impl Fn(&Self, u64) -> Result<Vec<f64>>,
    ) -> Result<Vec<Tally>> {
        let seen = see(self, target)?;
        let between = self.practised(|| {
            let mut own = vec![[Mean::default(); 2]; self.budgets.len()];
            for seed in OWN {
                for (own, value) in own.iter_mut().zip(see(self, seed)?) {
                    own[usize::from(bit(seed))].add(value, 1.0);
                }
            }
            Ok(own.iter().map(|[no, yes]| f64::midpoint(no.value(), yes.value())).collect())
        })?;
        let guess = |(value, between)| Tally::one((value > between) == bit(target), 0.5);
        Ok(seen.into_iter().zip(between).map(guess).collect())
    }

    /// Whose turn it is.
    fn account(&self, question: usize) -> u8 {
        u8::try_from(question % usize::from(self.accounts.max(1))).unwrap_or(0)
    }

    /// The most questions.
    pub(crate) fn most(&self) -> usize {
        self.budgets.last().copied().unwrap_or(0)
    }

    /// A group of so many people is shown, and noise of this error is seldom cut off at the threshold.
    fn wide(&self, error: f64) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some dozens")]
        let more = (1.5 * error) as usize;
        self.shown().max(10 + more).min(400)
    }

    /// A group of so many people is shown under these rules, whatever is drawn.
    fn shown(&self) -> usize {
        let profile = &self.rules.profile;
        let jitter = match profile.protection() {
            Protection::Noise(rule) => rule.threshold_jitter(),
            Protection::Rules | Protection::CellKey | Protection::Privacy(_) => 4,
        };
        usize::try_from(profile.threshold() + jitter).unwrap_or(usize::MAX) + 4
    }
}

/// All attacks.
pub static ATTACKS: &[&[Attack]] = &[
    pairs::ATTACKS,
    counts::ATTACKS,
    sums::ATTACKS,
    patient::ATTACKS,
    together::ATTACKS,
    edges::ATTACKS,
    membership::ATTACKS,
    versions::ATTACKS,
    search::ATTACKS,
];

/// Secrets of houses that the attacker builds for itself, to see how what it does turns out.
const OWN: std::ops::Range<u64> = 1_000_000..1_000_032;

/// Random numbers of one target of one attack.
fn draws(attack: u64, target: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(attack << 32 | target)
}

/// The secret bit of a target: balanced over targets, and told by nothing else.
fn bit(target: u64) -> bool {
    target % 2 == 1
}

/// Each of these people once.
fn ones(people: impl IntoIterator<Item = i64>) -> Vec<Part> {
    people.into_iter().map(|person| Part { person, contribution: 1 }).collect()
}

/// So many of these people.
fn some(from: &[i64], number: usize, rng: &mut ChaCha8Rng) -> Vec<i64> {
    let mut all = from.to_vec();
    let (chosen, _) = all.partial_shuffle(rng, number);
    chosen.to_vec()
}

/// People nobody else asks about: the `n`th such set, of this size.
fn strangers(n: usize, size: usize) -> std::ops::Range<i64> {
    let from = 1_000_000 + 1_000 * i64::try_from(n).unwrap_or(0);
    from..from + i64::try_from(size).unwrap_or(0)
}

/// A fair coin.
fn coin(rng: &mut ChaCha8Rng) -> bool {
    rng.random_bool(0.5)
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn float_of(number: i64) -> f64 {
    f64::from(i32::try_from(number).unwrap_or(i32::MAX))
}
