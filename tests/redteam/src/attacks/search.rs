//! Attacks that nobody thought of: A15, in the manner of QuerySnout (Cretu and others, 2022) and QueryCheetah (Stevanoski
//! and others, 2024). A single list of questions is changed little by little, and kept where a classifier that was
//! trained on houses with other secrets tells the person's bit better.

use anyhow::Result;
use cordon_disclosure::Measure;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::{Attack, Goal, Off, Setting, coin, draws, float, ones};
use crate::solve::{Equation, Unknown, least_squares};
use crate::{Scale, Tally};

const SEARCH: Attack = Attack {
    id: "A15",
    name: "automatic search over lists of questions (each attribute =, <>, or not named), all other people known; logistic rule",
    goal: Goal::Bit,
    published: "0.75 to 0.90 (Diffix, TableBuilder)",
    off: Off::Threshold,
    said: true,
    targets: 8,
    least: 10,
    most: 100,
    collusion: false,
    run: search,
};

pub(super) const ATTACKS: &[Attack] = &[SEARCH];

/// Known attributes of each person; the last person is the target.
const ATTRIBUTES: usize = 5;
const VALUES: u8 = 3;
const PEOPLE: usize = 240;

/// What a question says of each attribute, and of the unknown condition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Says {
    As,
    Not,
    Nothing,
}

type Question = [Says; ATTRIBUTES + 1];

struct World {
    /// Attributes; whether each is as the target's is all that questions can say.
    like: Vec<[bool; ATTRIBUTES]>,
    bits: Vec<bool>,
}

fn world(rng: &mut ChaCha8Rng) -> World {
    let person = |rng: &mut ChaCha8Rng| [(); ATTRIBUTES].map(|()| rng.random_range(0..VALUES) == 0);
    let mut like: Vec<_> = (1..PEOPLE).map(|_| person(rng)).collect();
    // Nobody else is like the target in everything: it can be singled out, as half of the targets of the literature can.
    for all in like.iter_mut().filter(|like| like.iter().all(|same| *same)) {
        all[0] = false;
    }
    like.push([true; ATTRIBUTES]);
    World { like, bits: (0..PEOPLE).map(|_| coin(rng)).collect() }
}

impl World {
    /// Who is meant, the target's bit being as it is.
    fn people(&self, question: &Question, bit: bool) -> Vec<i64> {
        let inside = |n: &usize| {
            let own = if *n + 1 == PEOPLE { bit } else { self.bits[*n] };
            let facts = self.like[*n].iter().chain(std::iter::once(&own));
            question.iter().zip(facts).all(|(says, fact)| match says {
                Says::As => *fact,
                Says::Not => !fact,
                Says::Nothing => true,
            })
        };
        (0..PEOPLE).filter(inside).map(|n| n as i64).collect()
    }

    /// What a house with this secret answers, each less what is known of the others.
    fn answers(
        &self,
        setting: &Setting<'_>,
        questions: &[Question],
        (secret, bit): (u64, bool),
    ) -> Result<Vec<f64>> {
        let mut house = setting.house(secret)?;
        let mut told = Vec::new();
        for (at, question) in questions.iter().enumerate() {
            let set = self.people(question, bit);
            let answer =
                house.one(setting.account(at), Measure::Persons, &ones(set.iter().copied()))?;
            let known = float(set.iter().filter(|person| **person + 1 < PEOPLE as i64).count());
            told.push(answer.map_or(-5.0, |told| (told.figure - known) / told.error.max(1.0)));
        }
        // Differences of neighbours in the list are what pairs live on.
        let pairs: Vec<f64> = told.windows(2).map(|pair| pair[1] - pair[0]).collect();
        told.extend(pairs.iter().map(|pair| f64::from(u8::from(pair.abs() > 1e-9))));
        Ok(told)
    }

    /// How well a linear rule, trained on some houses, tells the bit in others.
    fn tells(
        &self,
        setting: &Setting<'_>,
        questions: &[Question],
        train: std::ops::Range<u64>,
        test: std::ops::Range<u64>,
    ) -> Result<Tally> {
        let cases = |secrets: std::ops::Range<u64>| -> Result<Vec<(Vec<f64>, bool)>> {
            let one = |secret| {
                let bit = secret % 2 == 0;
                Ok((self.answers(setting, questions, (secret, bit))?, bit))
            };
            secrets.map(one).collect()
        };
        let train = cases(train)?;
        let rule = rule(&train);
        let tally = cases(test)?.iter().fold(Tally::default(), |tally, (answers, bit)| {
            let score: f64 = rule.0.iter().zip(answers).map(|(w, x)| w * x).sum();
            tally.and(Tally::one((score > rule.1) == *bit, 0.5))
        });
        Ok(tally)
    }
}

/// A ridge rule: what to multiply answers by, and from what sum on the bit is set.
fn rule(cases: &[(Vec<f64>, bool)]) -> (Vec<f64>, f64) {
    let features = cases.first().map_or(0, |case| case.0.len());
    let mut mean = vec![0.0; features];
    for (answers, _) in cases {
        mean.iter_mut().zip(answers).for_each(|(m, x)| *m += x / float(cases.len()));
    }
    // In the space of cases, of which there are fewer than answers: the dual form.
    let n = cases.len();
    let centred: Vec<Vec<f64>> =
        cases.iter().map(|(x, _)| x.iter().zip(&mean).map(|(x, m)| x - m).collect()).collect();
    let unknown = Unknown { mean: 0.0, deviation: 1.0, least: -100.0, most: 100.0 };
    let equations: Vec<Equation> = (0..n)
        .map(|i| {
            let terms = (0..n).map(|j| {
                let product: f64 = centred[i].iter().zip(&centred[j]).map(|(a, b)| a * b).sum();
                (j, product / float(features.max(1)) + if i == j { 1.0 } else { 0.0 })
            });
            let value = if cases[i].1 { 1.0 } else { -1.0 };
            Equation { terms: terms.collect(), value, error: 0.1 }
        })
        .collect();
    let duals = least_squares(&equations, &vec![unknown; n]);
    let mut weights = vec![0.0; features];
    for (dual, case) in duals.iter().zip(&centred) {
        weights.iter_mut().zip(case).for_each(|(w, x)| *w += dual * x);
    }
    let from = weights.iter().zip(&mean).map(|(w, m)| w * m).sum();
    (weights, from)
}

fn question(rng: &mut ChaCha8Rng) -> Question {
    [(); ATTRIBUTES + 1].map(|()| match rng.random_range(0..3) {
        0 => Says::As,
        1 => Says::Not,
        _ => Says::Nothing,
    })
}

/// A list with one place, or a pair that differs in one attribute, changed.
fn changed(questions: &[Question], rng: &mut ChaCha8Rng) -> Vec<Question> {
    let mut next = questions.to_vec();
    for _ in 0..rng.random_range(1..=questions.len() / 3) {
        let at = rng.random_range(0..next.len());
        next[at] = question(rng);
        if coin(rng) && at + 1 < next.len() {
            next[at + 1] = next[at];
            let part = rng.random_range(0..=ATTRIBUTES);
            next[at + 1][part] = question(rng)[part];
        }
    }
    next
}

fn search(setting: &Setting<'_>, target: u64) -> Result<Vec<Tally>> {
    let mut rng = draws(15, target);
    let world = world(&mut rng);
    let (steps, shadows, last) = match setting.scale {
        Scale::Full | Scale::Far => (40, 48, 400),
        Scale::Quick => (6, 24, 60),
    };
    let mut guesses = Vec::new();
    for budget in setting.budgets {
        let mut best: Vec<Question> = (0..*budget).map(|_| question(&mut rng)).collect();
        let seen = target << 32;
        let tells = |questions: &[Question]| {
            world.tells(
                setting,
                questions,
                seen..seen + shadows,
                seen + shadows..seen + 2 * shadows,
            )
        };
        let mut reached = tells(&best)?;
        for _ in 0..steps {
            let next = changed(&best, &mut rng);
            let found = tells(&next)?;
            if found.right >= reached.right {
                (best, reached) = (next, found);
            }
        }
        // Houses that neither the search nor the rule have seen.
        let fresh = seen + 1_000_000;
        guesses.push(world.tells(setting, &best, seen..seen + 4 * shadows, fresh..fresh + last)?);
    }
    Ok(guesses)
}
