//! How the evidence of a cell is put together: person by person, each with everything it contributes.
//!
//! Nothing is kept of most people but what adds up: the rules need the T largest contributions and sums over all others,
//! so a cell of a million people is as small as one of a hundred. People may come in any order and in several
//! parts: no order changes a bit. A person must come in once, with its whole contribution; who sees to that is the
//! caller.

#[cfg(test)]
mod tests;

use crate::raw::{Heavy, MOST_DECIMALS, RawCell};
use crate::{HashedPerson, PeopleKey, Sketch};

/// What evidence of one figure is gathered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gathering {
    /// T of the permit's profile.
    pub threshold: u64,
    /// Decimals of a total; none for a count.
    pub decimals: Option<u8>,
    /// What people are hashed with.
    pub key: PeopleKey,
}

impl Gathering {
    /// Whether it is what most people contribute, which takes no memory of its own.
    #[inline]
    pub fn is_usual(&self, contribution: i128) -> bool {
        contribution == self.usual()
    }

    /// One row of a count, nothing of a total.
    #[inline]
    fn usual(&self) -> i128 {
        i128::from(self.decimals.is_none())
    }
}

/// One person's whole contribution to a cell, in the figure's fixed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The person.
    pub person: i64,
    /// What it contributes.
    pub contribution: i128,
}

/// No contribution is larger, so that no sum of them saturates: 10^21 in millionths.
const MOST: i128 = 1 << 90;

/// Of how many people a limit's own set is asked about; the limits below it are not looked at.
const MANY: u64 = 100;

/// For so many of the largest contributions there is room from the first on.
const MOST_AT_ONCE: usize = 32;

/// The evidence of one cell while people come in.
///
/// Most people have one row of a count, or nothing of a total. They are put aside by themselves, in as little memory as can
/// be: a cell is not in a processor's cache when the next person comes to it.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// Those with the usual contribution, their weights, and who they are.
    usual: u64,
    usual_weight: i64,
    others: Option<Box<Others>>,
    usual_people: Sketch,
}

/// The people who contribute anything else.
#[derive(Clone, Debug, Default)]
struct Others {
    people: Sketch,
    /// Who contributes something to a total, or how many rows to a count.
    sketch: Sketch,
    contributors: u64,
    /// Those who are in no class: all of a count.
    sums: Sums,
    /// The T largest, the largest first.
    top: Vec<Large>,
    /// The size of the least of them, once they are T: most people need not be compared with the others.
    least: Option<u128>,
    /// By limit, the smallest first; of totals only.
    classes: Vec<Class>,
    /// By step, where its class stands, plus one.
    places: [u8; STEPS],
}

/// What people add up to.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    persons: u64,
    weight: i64,
    figure: i128,
    weighted: i128,
    squares: u128,
}

impl Sums {
    #[inline]
    fn add(&mut self, person: &HashedPerson, contribution: i128) {
        self.persons += 1;
        self.weight += i64::from(person.weight);
        match i32::try_from(contribution) {
            // Nearly always: one multiplication of the processor each.
            Ok(contribution) => {
                let wide = i64::from(contribution);
                self.figure += i128::from(wide);
                self.weighted += i128::from(wide * i64::from(person.weight));
                self.squares += u128::from((wide * wide).cast_unsigned());
            }
            Err(_) => {
                self.figure += contribution;
                self.weighted += contribution * i128::from(person.weight);
                self.squares += square(contribution.unsigned_abs());
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.persons += other.persons;
        self.weight += other.weight;
        self.figure += other.figure;
        self.weighted += other.weighted;
        self.squares += other.squares;
    }
}

/// One of the largest contributions with its person's weight, without gaps between them: every group keeps T.
#[derive(Clone, Copy, Debug)]
struct Large {
    /// The size, which is less than 2^95 ([`MOST`]); the highest bit is set below 0.
    low: [u8; 8],
    high: [u8; 4],
    weight: [u8; 2],
}

const BELOW_0: u32 = 1 << 31;

impl Large {
    #[inline]
    fn new(contribution: i128, weight: i16) -> Self {
        let size = contribution.unsigned_abs();
        let sign = if contribution < 0 { BELOW_0 } else { 0 };
        Self {
            low: (size as u64).to_ne_bytes(),
            high: ((size >> 64) as u32 | sign).to_ne_bytes(),
            weight: weight.to_ne_bytes(),
        }
    }

    fn contribution(&self) -> i128 {
        let size = self.size().cast_signed();
        if u32::from_ne_bytes(self.high) & BELOW_0 == 0 { size } else { -size }
    }

    fn weight(&self) -> i16 {
        i16::from_ne_bytes(self.weight)
    }

    #[inline]
    fn size(&self) -> u128 {
        let high = u32::from_ne_bytes(self.high) & !BELOW_0;
        u128::from(high) << 64 | u128::from(u64::from_ne_bytes(self.low))
    }
}

/// The people whose contributions lie between half a power of two and that power.
#[derive(Clone, Debug)]
struct Class {
    limit: u128,
    sums: Sums,
    /// None where enough people are above.
    people: Option<Box<Sketch>>,
    /// Those above 0 less those below, and the same of their weights: what they add once all are limited to less.
    signs: i64,
    signed_weight: i64,
}

impl Gathered {
    /// A person with its whole contribution. Gives the bytes that the cell grew by, about.
    #[inline]
    pub fn add(&mut self, by: &Gathering, person: &HashedPerson, contribution: i128) -> usize {
        if by.is_usual(contribution) {
            self.usual += 1;
            self.usual_weight += i64::from(person.weight);
            self.usual_people.add(&by.key, person, 1);
            return 0;
        }
        let first = self.others.is_none();
        let others = self.others.get_or_insert_default();
        others.add(by, person, contribution);
        if first { size_of::<Others>() + others.size() } else { 0 }
    }

    /// The people of another part of the cell, none of whom is in this one.
    pub fn merge(&mut self, by: &Gathering, other: &Self) {
        self.usual += other.usual;
        self.usual_weight += other.usual_weight;
        self.usual_people.merge(&other.usual_people);
        match (&mut self.others, &other.others) {
            (Some(ours), Some(theirs)) => ours.merge(by, theirs),
            (None, theirs) => self.others.clone_from(theirs),
            (Some(_), None) => {}
        }
    }

    /// The figure with everything that the rules need to know.
    pub fn evidence(&self, by: &Gathering) -> RawCell {
        let nobody = Others::default();
        let others = self.others.as_deref().unwrap_or(&nobody);
        let each = by.usual();
        // What those with the usual contribution add up to.
        let (usual, weighted) =
            (each * i128::from(self.usual), each * i128::from(self.usual_weight));
        // The T largest, of the usual ones only their number: they are all the same.
        let threshold = usize::try_from(by.threshold).unwrap_or(usize::MAX);
        let number = usize::try_from(self.usual).unwrap_or(usize::MAX).min(threshold);
        let mut sizes: Vec<u128> = others.top.iter().map(Large::size).collect();
        sizes.extend(std::iter::repeat_n(each.unsigned_abs(), number));
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let nth = |n: usize| sizes.get(n).copied().unwrap_or(0);
        let clip = threshold.checked_sub(1).map_or(0, nth);
        let sums = others.sums();
        let figure = sums.figure + usual;
        let share = figure.abs() / i128::from(by.threshold).max(1);
        let most = clip.max(share.unsigned_abs());
        // Everybody less what the largest have beyond the limit.
        let (mut clipped, mut flattened) = (figure, figure);
        let mut weighted_sum = sums.weighted + weighted;
        let mut squares = sums.squares + usual.unsigned_abs();
        for large in &others.top {
            let contribution = large.contribution();
            let within = limited(contribution, clip);
            clipped -= contribution - within;
            weighted_sum -= (contribution - within) * i128::from(large.weight());
            flattened -= contribution - limited(contribution, most);
            let beyond = square(contribution.unsigned_abs()) - square(within.unsigned_abs());
            squares -= beyond;
        }
        // A limit of 0 is one that fewer than T reach: everybody with a row is among the largest.
        if clip == 0 {
            clipped -= usual;
            weighted_sum -= weighted;
            squares -= usual.unsigned_abs();
        }
        if most == 0 {
            flattened -= usual;
        }
        let mut people = self.usual_people;
        people.merge(&others.people);
        // Those who contribute nothing to a total are not among its contributors.
        let (mut sketch, mut contributors) = (others.sketch, others.contributors);
        if by.decimals.is_none() {
            sketch.merge(&self.usual_people);
            contributors += self.usual;
        }
        RawCell {
            figure,
            persons: sums.persons + self.usual,
            largest: nth(0),
            second: nth(1),
            clip,
            clipped,
            flattened,
            weight: sums.weight + self.usual_weight,
            weighted: weighted_sum,
            squares,
            people,
            sketch,
            contributors,
            heavy: others.heavy(),
        }
    }

    /// Bytes that it takes beside itself.
    pub fn size(&self) -> usize {
        self.others.as_ref().map_or(0, |others| size_of::<Others>() + others.size())
    }
}

impl Others {
    fn add(&mut self, by: &Gathering, person: &HashedPerson, contribution: i128) {
        let contribution = contribution.clamp(-MOST, MOST);
        self.keep_large(by, contribution, person.weight);
        self.people.add(&by.key, person, 1);
        self.contributors += 1;
        self.sketch.add(&by.key, person, in_common(contribution, by.decimals));
        let Some(decimals) = by.decimals else { return self.sums.add(person, contribution) };
        let at = self.class(contribution.unsigned_abs(), decimals);
        if let Some(class) = self.classes.get_mut(at) {
            class.add(by, person, contribution);
            if class.sums.persons == MANY + 1 {
                self.forget_below(at);
            }
        }
    }

    fn merge(&mut self, by: &Gathering, other: &Self) {
        self.people.merge(&other.people);
        self.sketch.merge(&other.sketch);
        self.contributors += other.contributors;
        self.sums.merge(&other.sums);
        for large in &other.top {
            self.keep_large(by, large.contribution(), large.weight());
        }
        for theirs in &other.classes {
            let at = self.class_of(theirs.limit);
            if let Some(class) = self.classes.get_mut(at) {
                class.merge(theirs);
                if class.sums.persons > MANY {
                    self.forget_below(at);
                }
            }
        }
        // Whatever stood anywhere may stand elsewhere now.
        self.places = [0; STEPS];
    }

    /// Everybody, in whatever class.
    fn sums(&self) -> Sums {
        let mut sums = self.sums;
        self.classes.iter().for_each(|class| sums.merge(&class.sums));
        sums
    }

    /// Keeps a contribution if it is among the T largest. Which of several equal ones does not matter: only the larger
    /// are ever cut down.
    fn keep_large(&mut self, by: &Gathering, contribution: i128, weight: i16) {
        let size = contribution.unsigned_abs();
        if self.least.is_some_and(|least| size <= least) {
            return;
        }
        if self.top.capacity() == 0 {
            let room = usize::try_from(by.threshold).unwrap_or(MOST_AT_ONCE).min(MOST_AT_ONCE);
            self.top.reserve_exact(room);
        }
        if self.least.is_some() {
            self.top.pop();
        }
        let last_larger = self.top.iter().rposition(|large| large.size() >= size);
        self.top.insert(last_larger.map_or(0, |n| n + 1), Large::new(contribution, weight));
        if self.top.len() as u64 >= by.threshold {
            self.least = self.top.last().map(Large::size);
        }
    }

    /// The place of the class of a contribution.
    #[inline]
    fn class(&mut self, contribution: u128, decimals: u8) -> usize {
        let step = step(contribution, decimals);
        if let Some(place @ 1..) = step.and_then(|step| self.places.get(step)) {
            return usize::from(*place) - 1;
        }
        let (before, at) = (self.classes.len(), self.class_of(limit_of(contribution, decimals)));
        if self.classes.len() > before {
            self.places = [0; STEPS];
        }
        if let Some(place) = step.and_then(|step| self.places.get_mut(step)) {
            *place = u8::try_from(at + 1).unwrap_or(0);
        }
        at
    }

    /// The place of a limit's class.
    fn class_of(&mut self, limit: u128) -> usize {
        match self.classes.binary_search_by_key(&limit, |class| class.limit) {
            Ok(at) => at,
            Err(at) => {
                let enough = self.classes.iter().skip(at).any(|above| above.sums.persons > MANY);
                self.classes.insert(at, Class::new(limit, !enough));
                at
            }
        }
    }

    fn forget_below(&mut self, at: usize) {
        self.classes.iter_mut().take(at).for_each(|class| class.people = None);
    }

    /// The limits to choose from, the smallest first, which most people reach. The first that too few reach is among
    /// them: that they were not enough is then remembered, and holds for the set with one person more.
    fn heavy(&self) -> Vec<Heavy> {
        let mut made = Vec::with_capacity(self.classes.len());
        let mut above = Heavy::default();
        let (mut signs, mut signed_weight) = (0_i64, 0_i64);
        // Of everybody within a limit: all but those who are above.
        let mut within = Heavy::default();
        for class in &self.classes {
            within.limited += class.sums.figure;
            within.weighted += class.sums.weighted;
            within.squares += class.sums.squares;
        }
        for class in self.classes.iter().rev() {
            let Some(people) = &class.people else { break };
            above.persons += class.sums.persons;
            above.weight += class.sums.weight;
            above.people.merge(people);
            let limit = i128::try_from(class.limit).unwrap_or(i128::MAX);
            made.push(Heavy {
                limit: class.limit,
                limited: limit * i128::from(signs) + within.limited,
                weighted: limit * i128::from(signed_weight) + within.weighted,
                squares: square(class.limit) * u128::from(above.persons - class.sums.persons)
                    + within.squares,
                ..above.clone()
            });
            within.limited -= class.sums.figure;
            within.weighted -= class.sums.weighted;
            within.squares -= class.sums.squares;
            signs += class.signs;
            signed_weight += class.signed_weight;
            if above.persons > MANY {
                break;
            }
        }
        made.reverse();
        made
    }

    /// Bytes that it takes beside itself.
    fn size(&self) -> usize {
        let sketches = self.classes.iter().filter(|class| class.people.is_some()).count();
        self.top.capacity() * size_of::<Large>()
            + self.classes.capacity() * size_of::<Class>()
            + sketches * size_of::<Sketch>()
    }
}

impl Class {
    fn new(limit: u128, with_people: bool) -> Self {
        let people = with_people.then(Box::default);
        Self { limit, sums: Sums::default(), people, signs: 0, signed_weight: 0 }
    }

    #[inline]
    fn add(&mut self, by: &Gathering, person: &HashedPerson, contribution: i128) {
        let (weight, sign) = (i64::from(person.weight), if contribution > 0 { 1 } else { -1 });
        self.sums.add(person, contribution);
        if let Some(people) = &mut self.people {
            people.add(&by.key, person, 1);
        }
        self.signs += sign;
        self.signed_weight += sign * weight;
    }

    fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
        self.people = match (self.people.take(), &other.people) {
            (Some(mut ours), Some(theirs)) => {
                ours.merge(theirs);
                Some(ours)
            }
            _ => None,
        };
        self.signs += other.signs;
        self.signed_weight += other.signed_weight;
    }
}

impl RawCell {
    /// The evidence of one cell from each person's part of it.
    pub fn of_parts(parts: &[Part], by: &Gathering) -> Self {
        let mut gathered = Gathered::default();
        for part in parts {
            gathered.add(by, &by.key.person(part.person), part.contribution);
        }
        gathered.evidence(by)
    }
}

/// Larger contributions count as so much where squares are added up, so that no sum of them saturates: 10^9 in
/// millionths. Squares say how even contributions are, which needs few digits.
const MOST_SQUARED: u128 = 1 << 50;

fn square(size: u128) -> u128 {
    size.min(MOST_SQUARED).pow(2)
}

fn limited(contribution: i128, limit: u128) -> i128 {
    let limit = i128::try_from(limit).unwrap_or(i128::MAX);
    contribution.clamp(-limit, limit)
}

/// What makes contributions of any number of decimals comparable: the same amount is the same contribution,
/// whatever type of number it came in.
fn in_common(contribution: i128, decimals: Option<u8>) -> i128 {
    let missing = decimals.map_or(0, |own| MOST_DECIMALS.saturating_sub(own));
    let Some(factor) = POWERS_OF_TEN.get(usize::from(missing)) else { return contribution };
    match i64::try_from(contribution) {
        Ok(contribution) => i128::from(contribution) * i128::from(*factor),
        Err(_) => contribution.saturating_mul(i128::from(*factor)),
    }
}

const POWERS_OF_TEN: [i64; MOST_DECIMALS as usize + 1] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// So many classes are found without a search.
const STEPS: usize = 32;

/// Which of the limits from 2^-7 units on a contribution does not exceed ([`limit_of`]); none of smaller ones, and of more
/// decimals than contributions have.
#[inline]
fn step(contribution: u128, decimals: u8) -> Option<usize> {
    let unit = u64::try_from(*POWERS_OF_TEN.get(usize::from(decimals))?).ok()?;
    let contribution = u64::try_from(contribution).ok()?;
    let (mut limit, mut step) = (unit, 8);
    if contribution > unit {
        // At most one too few.
        let doubled = (contribution - 1).ilog2() - unit.ilog2();
        (limit, step) = (unit << doubled, 8 + doubled as usize);
        return Some(if limit < contribution { step + 1 } else { step });
    }
    while step > 0 && limit >> 1 >= contribution.max(1) {
        (limit, step) = (limit >> 1, step - 1);
    }
    (step > 0).then_some(step)
}

/// The least power of two, in whole units, that a contribution does not exceed; both in fixed point (the part
/// of a last digit is left out). 40 days: 64; a fraction of 0.3: 0.5.
fn limit_of(contribution: u128, decimals: u8) -> u128 {
    if decimals == 0 {
        return contribution.checked_next_power_of_two().unwrap_or(contribution);
    }
    let Some(unit) = 10_u128.checked_pow(decimals.into()) else { return contribution };
    let mut limit = unit;
    while limit < contribution {
        let Some(double) = limit.checked_mul(2) else { return contribution };
        limit = double;
    }
    let mut halves = 0_u32;
    while unit >> (halves + 1) >= contribution.max(1) && halves < 100 {
        halves += 1;
    }
    if halves > 0 { unit >> halves } else { limit }
}
