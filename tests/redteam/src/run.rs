//! Running an attack against many targets on all processors.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context as _, Result};

use crate::{Asking, Attack, Rules, Setting, Tally};

/// After how many questions a guess is made.
pub const BUDGETS: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// Most questions where all targets are attacked.
const FULL: usize = 1_000;

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// All targets of an attack, and up to 1,000 questions.
    Full,
    /// Up to 100 questions, a quarter of the targets.
    Quick,
    /// 10,000 questions, a tenth of the targets.
    Far,
}

/// What an attack reached under some rules, for each budget in order.
#[derive(Clone)]
pub struct Curve {
    /// The name of the rules.
    pub rules: String,
    /// How many accounts, each with an agreement of its own.
    pub accounts: u8,
    /// Questions and what became of the guesses after them.
    pub points: Vec<(usize, Tally)>,
}

impl Curve {
    /// What was reached after so many questions, or the most that were asked below that.
    pub fn after(&self, questions: usize) -> Option<Tally> {
        self.points.iter().rev().find(|(asked, _)| *asked <= questions).map(|(_, tally)| *tally)
    }
}

/// Runs an attack against its targets, each in a house of its own.
///
/// # Errors
/// When the attack itself fails; being kept out is no failure.
pub fn run(attack: &Attack, rules: &Rules, accounts: u8, scale: Scale) -> Result<Curve> {
    let (targets, asked) = match scale {
        Scale::Full => (attack.targets, attack.least..=attack.most.min(FULL)),
        Scale::Quick => (attack.targets.div_ceil(4), attack.least..=attack.most.min(100)),
        Scale::Far => (attack.targets.div_ceil(10), FULL + 1..=attack.most),
    };
    let worth = |budget: &usize| asked.contains(budget);
    let budgets: Vec<usize> = BUDGETS.into_iter().filter(worth).collect();
    let practice = Mutex::new(None);
    let setting =
        Setting { rules, accounts, budgets: &budgets, scale, practice: &practice, heard: None };
    let next = AtomicU64::new(0);
    let sums = Mutex::new(Ok(vec![Tally::default(); budgets.len()]));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let target = next.fetch_add(1, Ordering::Relaxed);
                    if target >= targets {
                        return;
                    }
                    let found = (attack.run)(&setting, target);
                    let Ok(mut sums) = sums.lock() else { return };
                    match (&mut *sums, found) {
                        (Ok(sums), Ok(found)) => {
                            sums.iter_mut().zip(found).for_each(|(sum, one)| *sum = sum.and(one));
                        }
                        (sums, Err(problem)) => *sums = Err(problem),
                        (Err(_), Ok(_)) => {}
                    }
                }
            });
        }
    });
    let sums = sums.into_inner().ok().context("a thread stopped")??;
    let points = budgets.into_iter().zip(sums).collect();
    Ok(Curve { rules: rules.name.clone(), accounts, points })
}

/// The first questions of an attack against one target, to be asked elsewhere.
///
/// # Errors
/// When the attack itself fails.
pub fn questions(attack: &Attack, rules: &Rules, target: u64, most: usize) -> Result<Vec<Asking>> {
    let (heard, practice) = (Arc::default(), Mutex::new(None));
    let setting = Setting {
        rules,
        accounts: 1,
        budgets: &[most.clamp(attack.least, attack.most)],
        scale: Scale::Quick,
        practice: &practice,
        heard: Some((target, Arc::clone(&heard))),
    };
    let ended = (attack.run)(&setting, target);
    let mut asked = std::mem::take(&mut *heard.lock().ok().context("a thread stopped")?);
    // Whoever listens ends it once there is enough.
    if asked.len() < setting.most() {
        ended?;
    }
    asked.truncate(most);
    Ok(asked)
}
