//! The whole decision again, slowly and obviously: real sets of people, a look at every earlier set,
//! distances counted from who differs. Shared with the engine are only the keyed draws and the rows of
//! noise.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::sets::{Member, Set};
use super::world::{Keys, Line, People, Table, What};
use crate::key::PeopleKey;
use crate::noise::Noise;
use crate::{Measure, NoiseRule, Profile, Protection, Secret};

/// A figure, if shown, with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) figure: Option<i128>,
    pub(super) spread: f64,
}

const HIDDEN: Outcome = Outcome { figure: None, spread: 0.0 };

/// One set that was answered.
pub(super) struct Answered {
    pub(super) kind: Measure,
    pub(super) set: Set,
    pub(super) outcome: Outcome,
    /// Its own draw; else too few to receive the figure of a near set.
    pub(super) drawn: bool,
    /// The outcome of a near set: for this very set only.
    copied: bool,
}

pub(super) struct Model {
    profile: Profile,
    rule: NoiseRule,
    secret: Secret,
    key: PeopleKey,
    noise: Noise,
    pub(super) answered: Vec<Answered>,
    pub(super) charged: u64,
    growth: f64,
    tables: HashMap<u32, Vec<Line>>,
    /// What is remembered of the very same set.
    known: HashMap<(String, BTreeMap<i64, i128>), Outcome>,
    /// Everybody with a contribution whom it met.
    met: BTreeMap<(i64, i128, i128), Member>,
    /// How many cells were decided.
    pub(super) cells: usize,
    /// Whose number is told for the first time in this table.
    together: HashSet<Vec<i64>>,
}

/// a / b to the nearest whole number, halves away from zero.
fn nearest(a: i128, b: i128) -> i128 {
    let sign = a.signum() * b.signum();
    sign * ((2 * a.abs() + b.abs()) / (2 * b.abs()))
}

/// Unit of the scale as a fraction: the least power of two, in whole units, that the contribution does not
/// exceed.
fn scale(contribution: i128, decimals: u8) -> (i128, i128) {
    let unit = 10_i128.pow(u32::from(decimals));
    if contribution == 0 {
        return (unit, 1);
    }
    let fractions = (1..40).rev().map(|halves| (unit, 1 << halves));
    let multiples = (0..80).map(|doubles| (unit << doubles, 1));
    fractions.chain(multiples).find(|(above, below)| *above >= contribution * below).unwrap()
}

impl Model {
    pub(super) fn new(profile: &Profile, secret: Secret) -> Self {
        let Protection::Noise(rule) = profile.protection() else { panic!("no noise") };
        Self {
            profile: profile.clone(),
            rule: rule.clone(),
            key: secret.people(),
            secret,
            noise: Noise::default(),
            answered: Vec::new(),
            charged: 0,
            growth: 1.0,
            tables: HashMap::new(),
            known: HashMap::new(),
            met: BTreeMap::new(),
            cells: 0,
            together: HashSet::new(),
        }
    }

    /// The answer; none when the budget is spent.
    pub(super) fn ask(&mut self, table: &Table, number: u32) -> Option<Vec<Line>> {
        if let Some(earlier) = self.tables.get(&number) {
            return Some(earlier.clone());
        }
        // As if the most that it can be charged were charged already.
        let threshold = self.profile.threshold() as f64;
        let most = table.tables() as f64 * self.charge(threshold);
        let meter = (self.charged + (most * 1e6).ceil() as u64) as f64 / 1e6;
        if self.rule.budget.is_some_and(|budget| meter > budget) {
            return None;
        }
        let most = self.rule.growth_most.unwrap_or(f64::MAX);
        self.growth =
            self.rule.growth_from.map_or(1.0, |from| f64::max(1.0, meter / from).min(most));
        let nobody = People::new();
        let mut groups: BTreeMap<_, _> = table.groups.iter().map(|(key, p)| (*key, p)).collect();
        for key in table.domain.iter().flatten() {
            groups.entry(*key).or_insert(&nobody);
        }
        self.together.clear();
        let mut lines = Vec::new();
        let mut least: BTreeMap<(u8, usize), i128> = BTreeMap::new();
        for (key, people) in groups {
            let present = self.people(&What::Persons.of(people));
            // The rows of a group whose people are told for the first time are decided with them.
            if self.together.contains(&Vec::from_iter(people.keys().copied())) {
                self.figure(What::Rows, people, present);
            }
            let mut outcomes = vec![HIDDEN; table.measures.len()];
            let mut shown = vec![i128::MAX; table.measures.len().max(1)];
            if table.measures.is_empty() {
                shown[0] = present.figure.unwrap_or(i128::MAX);
            }
            for at in self.in_order(&table.measures, people) {
                let what = table.measures[at];
                let behind = self.people(&what.people().of(people));
                outcomes[at] = self.figure(what, people, behind);
                if !matches!(what.measure(), Measure::Total { .. }) {
                    shown[at] = outcomes[at].figure.and(behind.figure).unwrap_or(i128::MAX);
                }
            }
            let public = table.domain.as_ref().is_some_and(|domain| domain.contains(&key));
            if public || table.keys == Keys::Nothing || present.figure.is_some() {
                // Only what stands in the table is charged.
                for (at, shown) in shown.into_iter().enumerate() {
                    let smallest = least.entry((key.1, at)).or_insert(i128::MAX);
                    *smallest = shown.min(*smallest);
                }
                lines.push(Line {
                    key,
                    figures: outcomes.iter().map(|outcome| outcome.figure).collect(),
                    spreads: outcomes.iter().map(|o| o.figure.map(|_| o.spread)).collect(),
                });
            }
        }
        if lines.is_empty() {
            least = (0..table.measures.len().max(1)).map(|at| ((0, at), i128::MAX)).collect();
        }
        let charge: f64 = least
            .values()
            .map(|n| {
                self.charge(if *n == i128::MAX { threshold } else { threshold.max(*n as f64) })
            })
            .sum();
        self.charged += (charge * 1e6).ceil() as u64;
        // What has nothing to show stands last.
        lines.sort_by_key(|line| {
            !line.figures.is_empty() && line.figures.iter().all(Option::is_none)
        });
        self.tables.insert(number, lines.clone());
        Some(lines)
    }

    /// V / (V + c n), or the least.
    fn charge(&self, persons: f64) -> f64 {
        let NoiseRule { variance, per_person, least_charge, .. } = self.rule;
        f64::max(variance / (variance + per_person * persons), least_charge)
    }

    /// Larger sets first, then by who they are and what they contribute: nothing of the text.
    fn in_order(&mut self, measures: &[What], people: &People) -> Vec<usize> {
        let mut order: Vec<_> = measures.iter().enumerate().collect();
        if order.len() < 2 {
            return order.into_iter().map(|(at, _)| at).collect();
        }
        order.sort_by_cached_key(|(_, what)| {
            let set = self.contributors(**what, people);
            let kind = match what.measure() {
                Measure::Persons => 0,
                Measure::Rows => 1,
                Measure::Total { .. } => 2,
            };
            let of_people = self.set(&what.people().of(people)).bytes();
            (std::cmp::Reverse(what.of(people).len()), of_people, set.bytes(), kind)
        });
        order.into_iter().map(|(at, _)| at).collect()
    }

    fn set(&mut self, people: &BTreeMap<i64, i128>) -> Set {
        Set::new(people.iter().map(|(p, much)| (*p, self.member(*p, *much, 1))).collect())
    }

    /// Who contributes what; to a total only those who contribute something, in millionths.
    fn contributors(&mut self, what: What, people: &People) -> Set {
        let Measure::Total { decimals } = what.measure() else { return self.set(&what.of(people)) };
        let unit = 10_i128.pow(6 - u32::from(decimals));
        let some = what.of(people).into_iter().filter(|(_, much)| *much != 0);
        Set::new(some.map(|(p, much)| (p, self.member(p, much, unit))).collect())
    }

    /// Whether so many people may be spoken of, and how many they are said to be.
    fn people(&mut self, people: &BTreeMap<i64, i128>) -> Outcome {
        let before = self.answered.len();
        let set = self.set(people);
        let outcome = self.decide(Measure::Persons, set, |model, set| {
            let least = model.profile.threshold()
                + model.keyed("threshold", set, model.rule.threshold_jitter);
            if set.len() < (least as usize).max(model.rule.separation) {
                return HIDDEN;
            }
            let figure = model.count(set, set.len() as i128);
            model.counted(set, figure, figure)
        });
        let told = self.answered.get(before).is_some_and(|new| new.drawn);
        if told && outcome.figure.is_some() {
            self.together.insert(people.keys().copied().collect());
        }
        outcome
    }

    fn counted(&self, set: &Set, figure: i128, persons: i128) -> Outcome {
        let mean = Self::mean_square(set, self.clip(set), set.len());
        let parts = persons as f64 * self.evenness(set, mean, 0);
        let spread = self.spread(parts, self.variance(persons as f64), 1.0);
        Outcome { figure: Some(figure), spread }
    }

    fn figure(&mut self, what: What, people: &People, behind: Outcome) -> Outcome {
        let measure = what.measure();
        if measure == Measure::Persons {
            return behind;
        }
        let who: Vec<i64> = what.of(people).into_keys().collect();
        let k = self.profile.separation().unwrap() as u64;
        let enough = who.len() >= self.profile.threshold() as usize;
        let clear = enough
            && behind.figure.is_some_and(|persons| {
                persons as f64 - 2.0 * f64::from(behind.spread as f32)
                    >= (self.profile.threshold() + k) as f64
            });
        let set = self.contributors(what, people);
        match measure {
            Measure::Total { decimals } => {
                let half = k / 2;
                if set.len() as u64 <= half + self.keyed("few", &set, half / 2) {
                    return if clear { self.nothing() } else { HIDDEN };
                }
                let everybody = what.of(people).len();
                self.decide(measure, set, |model, set| match behind.figure {
                    Some(persons) if clear => model.total(set, everybody, persons, decimals),
                    _ => HIDDEN,
                })
            }
            _ => {
                let open = clear || (enough && self.together.contains(&who));
                self.decide(measure, set, |model, set| match behind.figure {
                    Some(persons) if open => model.counted(set, model.count(set, persons), persons),
                    _ => HIDDEN,
                })
            }
        }
    }

    /// What is said of a total to which too few contribute.
    fn nothing(&self) -> Outcome {
        let rounding = (self.profile.rounding() as f64).powi(2) / 12.0;
        let unit = 10_f64.powi(i32::from(super::super::super::tests::DECIMALS));
        Outcome { figure: Some(0), spread: (self.rule.variance + rounding).sqrt() * unit }
    }

    /// The same set's outcome, else the earliest near one's of the measure, else a draw.
    fn decide(
        &mut self,
        kind: Measure,
        set: Set,
        draw: impl FnOnce(&mut Self, &Set) -> Outcome,
    ) -> Outcome {
        if set.len() == 0 {
            return HIDDEN;
        }
        self.cells += 1;
        let people = set.members.iter().map(|(person, member)| (*person, member.contribution));
        let name = (format!("{kind:?}"), people.collect());
        if let Some(outcome) = self.known.get(&name) {
            return *outcome;
        }
        let k = self.rule.separation;
        let mut best: Option<(usize, Outcome)> = None;
        for earlier in self.answered.iter().filter(|earlier| earlier.kind == kind) {
            // Up to one more for ten persons in both together, by a keyed draw.
            let (least, most) = (self.rule.threshold_jitter as usize, self.rule.separation_jitter);
            let more = ((set.len() + earlier.set.len()) / 10).max(least).min(most);
            let gap = set.len().abs_diff(earlier.set.len());
            if gap >= k + more {
                continue;
            }
            let apart = set.apart(&earlier.set);
            let near = || {
                gap.max(apart) < k || {
                    let more = self.keyed("separation", &set, more as u64) as usize;
                    gap.max(apart) < k + more
                }
            };
            let close = 2 + self.keyed("close", &set, 4) as usize;
            let rank = |apart: usize| match apart {
                0 | 1 => apart,
                some if some < close => 2,
                _ => 3,
            };
            if best.is_none_or(|(least, _)| rank(apart) < rank(least))
                && (rank(apart) < 3 || !earlier.copied)
                && near()
                && !set.found_by(k).is_disjoint(&earlier.set.found_by(k))
            {
                best = Some((apart, earlier.outcome));
            }
        }
        let outcome = match best {
            Some((0, outcome)) => return outcome,
            // Whoever is near something hidden is hidden.
            Some((_, outcome)) if outcome.figure.is_none() || self.may_copy(kind, &set) => outcome,
            Some(_) => HIDDEN,
            None => draw(self, &set),
        };
        self.known.insert(name, outcome);
        let copied = best.is_some_and(|(_, earlier)| earlier == outcome);
        self.answered.push(Answered { kind, set, outcome, drawn: best.is_none(), copied });
        outcome
    }

    fn member(&mut self, person: i64, contribution: i128, unit: i128) -> Member {
        let key = &self.key;
        *self.met.entry((person, contribution, unit)).or_insert_with(|| {
            let hashed = key.person(person);
            let (weight, bucket) = (i128::from(hashed.weight), hashed.bucket);
            Member { contribution, weight, bucket, mark: key.mark(&hashed, contribution * unit) }
        })
    }

    /// A keyed whole number from 0 to `most`.
    fn keyed(&self, purpose: &str, set: &Set, most: u64) -> u64 {
        let draw = self.secret.uniform(purpose, &[&set.bytes()]);
        (u128::from(draw) * (u128::from(most) + 1) / (1 << 64)) as u64
    }

    /// More than half of k, plus up to a quarter by a keyed draw of who they are.
    fn may_copy(&mut self, kind: Measure, set: &Set) -> bool {
        if matches!(kind, Measure::Total { .. }) {
            return true;
        }
        let half = self.rule.separation / 2;
        if set.len() > half + half / 2 {
            return true;
        }
        let people = self.set(&set.members.keys().map(|person| (*person, 1)).collect());
        set.len() > half + self.keyed("copy", &people, half as u64 / 2) as usize
    }

    /// Every contribution limited, added up; and what the weights add.
    fn limited(set: &Set, most: i128) -> (i128, i128) {
        let limit = |member: &Member| member.contribution.clamp(-most, most);
        let sum = set.members.values().map(limit).sum();
        (sum, set.members.values().map(|member| limit(member) * member.weight).sum())
    }

    /// The T-th largest contribution.
    fn clip(&self, set: &Set) -> i128 {
        let mut sizes: Vec<i128> = set.members.values().map(|m| m.contribution.abs()).collect();
        sizes.sort_unstable();
        let rank = self.profile.threshold() as usize;
        sizes.len().checked_sub(rank).map_or(0, |at| sizes[at])
    }

    fn weights(&self, weighted: i128) -> i128 {
        // The reach of a weight is a binary fraction of 20 places.
        let reach = ((3.0 * self.rule.weights).sqrt() * 2_f64.powi(20)).floor() as i128;
        nearest(weighted * reach, 32_767 << 20)
    }

    /// What each person adds is given as a number of persons.
    fn variance(&self, persons: f64) -> f64 {
        let variance = self.rule.variance + self.rule.per_person * persons;
        2_f64.powf((16.0 * variance.log2()).round() / 16.0) * self.growth * self.growth
    }

    fn draw(&self, set: &Set, variance: f64) -> i128 {
        let bound = f64::from(self.rule.bound) * (variance / self.rule.variance).sqrt();
        let grain = (bound / 500.0).ceil().max(1.0);
        let row = self.noise.symmetric(variance / (grain * grain), (bound / grain).ceil() as u32);
        i128::from(row.draw(self.secret.uniform("noise", &[&set.bytes()]))) * grain as i128
    }

    /// Persons or rows.
    fn count(&self, set: &Set, persons: i128) -> i128 {
        let clip = self.clip(set);
        let whole: i128 = set.members.values().map(|member| member.contribution).sum();
        let (sum, _) =
            Self::limited(set, clip.max(whole.abs() / i128::from(self.profile.threshold())));
        let weights = self.weights(Self::limited(set, clip).1);
        let base = i128::from(self.profile.rounding());
        let draw = self.draw(set, self.variance(persons as f64));
        (nearest(sum + weights + draw, base) * base).max(base)
    }

    /// Limited to a power of two that a set of people reaches by more than half whose number may be told, as those of
    /// each smaller one may. Below the largest that more than a hundred reach none is looked at.
    fn total(&mut self, set: &Set, everybody: usize, persons: i128, decimals: u8) -> Outcome {
        let mut limits: Vec<(i128, i128)> =
            set.members.values().map(|m| scale(m.contribution.abs(), decimals)).collect();
        limits.sort_by(|(a, b), (c, d)| (c * b).cmp(&(a * d)));
        limits.dedup();
        let more = |half: (i128, i128), m: &Member| 2 * m.contribution.abs() * half.1 > half.0;
        let reached =
            |limit: &(i128, i128)| set.members.values().filter(|m| more(*limit, m)).count();
        let many = limits.iter().position(|limit| reached(limit) > 100);
        limits.truncate(many.map_or(limits.len(), |at| at + 1));
        let mut enough = None;
        for limit in limits.into_iter().rev() {
            let heavy = set.members.iter().filter(|(_, m)| more(limit, m));
            let heavy = heavy.map(|(person, _)| (*person, 1)).collect();
            if self.people(&heavy).figure.is_none() {
                break;
            }
            enough = Some(limit);
        }
        let Some((above, below)) = enough else { return self.nothing() };
        let clip = above / below;
        let (sum, weighted) = Self::limited(set, clip);
        let size = above as f64 / below as f64;
        let mean = self.evenness(set, Self::mean_square(set, clip, everybody), decimals);
        let parts = persons as f64 * mean;
        let variance = self.variance(parts / size.powi(2));
        let figure =
            sum + self.weights(weighted) + nearest(above * self.draw(set, variance), below);
        let step = above * i128::from(self.profile.rounding());
        let figure = nearest(nearest(figure * below, step) * step, below);
        Outcome { figure: Some(figure), spread: self.spread(parts, variance, size) }
    }

    /// One standard deviation, from what is released.
    fn spread(&self, parts: f64, variance: f64, scale: f64) -> f64 {
        let rounding = (self.profile.rounding() as f64).powi(2) / 12.0;
        (self.rule.weights * parts + scale.powi(2) * (variance + rounding)).sqrt()
    }

    /// The mean square of the limited contributions.
    fn mean_square(set: &Set, clip: i128, everybody: usize) -> f64 {
        if clip == 0 {
            return 0.0;
        }
        let most = clip.unsigned_abs().min(1 << 50);
        let parts = set.members.values().map(|member| member.contribution.unsigned_abs().min(most));
        let squares = parts.map(|part| part * part).sum::<u128>();
        squares as f64 / everybody as f64
    }

    /// To a half power of two in whole units, up or down by a keyed draw.
    fn evenness(&self, set: &Set, exact: f64, decimals: u8) -> f64 {
        if exact <= 0.0 {
            return 0.0;
        }
        let unit = 10_f64.powi(i32::from(decimals)).powi(2);
        let draw = self.secret.uniform("evenness", &[&set.bytes()]);
        let part = (draw >> 11) as f64 / 2_f64.powi(53);
        2_f64.powf(((exact / unit).log2() * 2.0 + part).floor() / 2.0) * unit
    }
}
