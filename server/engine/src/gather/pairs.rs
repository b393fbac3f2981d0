//! Which persons meet which groups in a batch where persons come one after another, found once for all figures.
//!
//! Most persons have few rows, and how many nobody can foretell, a processor neither: the loops over rows go the same way
//! for every row.

use arrow_array::{Array as _, Int64Array};
use cordon_disclosure::PeopleKey;
use datafusion::common::{Result, internal_err};

use super::cells::Who;

/// Stands for the person of a row of nobody.
const NOBODY: u32 = u32::MAX;

/// The persons of a batch, in order.
#[derive(Default)]
pub(super) struct Persons {
    pub(super) who: Vec<Who>,
    /// For each row its person, by place.
    of_row: Vec<u32>,
    /// The first row of each person.
    starts: Vec<u32>,
}

impl Persons {
    /// Those of the next batch; `last` came last in the one before. That they are in order the plan proved; were it wrong,
    /// people would be counted twice.
    pub(super) fn read(
        &mut self,
        persons: &Int64Array,
        last: &mut i64,
        key: &PeopleKey,
    ) -> Result<()> {
        let rows = persons.len();
        self.of_row.resize(rows, NOBODY);
        self.starts.resize(rows + 1, 0);
        // Nobody yet: a number that the first person has not.
        let (mut number, mut before) =
            (0_u32, persons.iter().flatten().next().map_or(0, |first| !first));
        let mut row = 0_u32;
        let mut next = |person: i64, of_row: &mut u32, there: bool| {
            let new = there & (person != before);
            before = if there { person } else { before };
            if let Some(start) = self.starts.get_mut(number as usize) {
                *start = row;
            }
            number += u32::from(new);
            *of_row = if there { number.wrapping_sub(1) } else { NOBODY };
            row += 1;
        };
        let all = persons.values().iter().zip(&mut self.of_row);
        match persons.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => all.for_each(|(person, of_row)| next(*person, of_row, true)),
            Some(nulls) => {
                all.zip(nulls).for_each(|((person, of_row), there)| next(*person, of_row, there));
            }
        }
        let starts = self.starts.get(..number as usize).unwrap_or_default();
        let person = |row: &u32| persons.values().get(*row as usize).copied().unwrap_or_default();
        let who = |person| Who { person, hashed: key.person(person) };
        self.who.clear();
        self.who.extend(starts.iter().map(|row| who(person(row))));
        if !self.who.is_sorted_by(|a, b| a.person < b.person)
            || self.who.first().is_some_and(|first| first.person < *last)
        {
            return internal_err!("persons out of order");
        }
        *last = self.who.last().map_or(*last, |who| who.person);
        Ok(())
    }

    pub(super) fn size(&self) -> usize {
        self.who.capacity() * size_of::<Who>()
            + (self.of_row.capacity() + self.starts.capacity()) * size_of::<u32>()
    }
}

/// A person and a group, each pair once.
#[derive(Default)]
pub(super) struct Pairs {
    /// The place of the person in the upper half, and the group; in the order of persons. Only the first `number` are
    /// pairs.
    list: Vec<u64>,
    number: usize,
    /// The first row of each.
    first: Vec<u32>,
    /// The other rows, each with its pair. Only the first `number_of_others`.
    others: Vec<(u32, u32)>,
    number_of_others: usize,
    /// Where in the list a group stands, if it does.
    places: Vec<u32>,
}

impl Pairs {
    /// The pairs of the next batch, with so many groups so far.
    pub(super) fn read(&mut self, persons: &Persons, groups: &[u32], number_of_groups: usize) {
        if self.places.len() < number_of_groups {
            self.places.resize(number_of_groups.next_power_of_two(), 0);
        }
        // One more than can be: the entry after the last is written and not counted.
        let room = groups.len() + 1;
        self.list.resize(room, 0);
        self.first.resize(room, 0);
        self.others.resize(room, (0, 0));
        let (mut number, mut others) = (0_u32, 0_usize);
        for ((row, person), group) in (0_u32..).zip(&persons.of_row).zip(groups) {
            let there = *person != NOBODY;
            let Some(place) = self.places.get_mut(*group as usize) else { continue };
            let pair = u64::from(*person) << 32 | u64::from(*group);
            let entry = self.list.get(*place as usize).copied().unwrap_or_default();
            let known = (*place < number) & (entry == pair);
            let of_pair = if known { *place } else { number };
            *place = of_pair;
            if let Some(entry) = self.list.get_mut(number as usize) {
                *entry = pair;
            }
            if let Some(entry) = self.first.get_mut(number as usize) {
                *entry = row;
            }
            if let Some(entry) = self.others.get_mut(others) {
                *entry = (of_pair, row);
            }
            number += u32::from(there & !known);
            others += usize::from(there & known);
        }
        (self.number, self.number_of_others) = (number as usize, others);
    }

    /// What the rows of each pair add up to.
    pub(super) fn sums<Sum: Copy>(
        &self,
        contribution: impl Fn(usize) -> Sum,
        add: impl Fn(Sum, Sum) -> Sum,
    ) -> Vec<Sum> {
        let first = self.first.iter().take(self.number);
        let mut sums: Vec<Sum> = first.map(|row| contribution(*row as usize)).collect();
        for (pair, row) in self.others.iter().take(self.number_of_others) {
            if let Some(sum) = sums.get_mut(*pair as usize) {
                *sum = add(*sum, contribution(*row as usize));
            }
        }
        sums
    }

    /// The pairs in order: the place of the person, and the group.
    pub(super) fn list(&self) -> impl Iterator<Item = (u32, u32)> {
        let pairs = self.list.get(..self.number).unwrap_or_default();
        pairs.iter().map(|pair| ((pair >> 32) as u32, *pair as u32))
    }

    pub(super) fn size(&self) -> usize {
        (self.list.capacity() + self.others.capacity()) * size_of::<u64>()
            + (self.first.capacity() + self.places.capacity()) * size_of::<u32>()
    }
}
