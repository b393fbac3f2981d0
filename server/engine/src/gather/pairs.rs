//! Which persons meet which groups in a batch of whole runs, found once for all figures.

use super::cells::Who;

/// Rows of one person that follow each other.
pub(super) struct Run {
    pub(super) who: Who,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Stands for the pair of a row of nobody.
const NOBODYS: u32 = u32::MAX;

/// A person and a group, each pair once.
#[derive(Default)]
pub(super) struct Pairs {
    /// For each row its pair.
    of_row: Vec<u32>,
    /// The number of the person's run, and the group; in the order of runs.
    list: Vec<(u32, u32)>,
}

impl Pairs {
    /// The pairs of a batch. `places` is kept from batch to batch, so that it need not be made anew.
    pub(super) fn of(runs: &[Run], groups: &[u32], places: &mut Vec<u32>, number: usize) -> Self {
        if places.len() < number {
            places.resize(number.next_power_of_two(), 0);
        }
        let mut of_row = Vec::with_capacity(groups.len());
        let mut list: Vec<(u32, u32)> = Vec::with_capacity(groups.len());
        for (n, run) in (0_u32..).zip(runs) {
            of_row.resize(run.start, NOBODYS);
            let rows = groups.get(run.start..run.end).unwrap_or_default();
            if let [group] = rows {
                of_row.push(list.len() as u32);
                list.push((n, *group));
                continue;
            }
            for group in rows {
                let Some(place) = places.get_mut(*group as usize) else { continue };
                if list.get(*place as usize) != Some(&(n, *group)) {
                    *place = list.len() as u32;
                    list.push((n, *group));
                }
                of_row.push(*place);
            }
        }
        of_row.resize(groups.len(), NOBODYS);
        Self { of_row, list }
    }

    /// What the rows of each pair add up to.
    pub(super) fn sums<Sum: Copy + Default>(
        &self,
        contribution: impl Fn(usize) -> Sum,
        add: impl Fn(Sum, Sum) -> Sum,
    ) -> Vec<Sum> {
        let mut sums = vec![Sum::default(); self.list.len()];
        for (row, pair) in self.of_row.iter().enumerate() {
            if let Some(sum) = sums.get_mut(*pair as usize) {
                *sum = add(*sum, contribution(row));
            }
        }
        sums
    }

    /// The same of those rows that are there; none where no row of a pair is.
    pub(super) fn sums_of(
        &self,
        there: impl Fn(usize) -> bool,
        contribution: impl Fn(usize) -> i128,
    ) -> Vec<Option<i128>> {
        let mut sums = vec![None; self.list.len()];
        for (row, pair) in self.of_row.iter().enumerate() {
            if let Some(sum) = sums.get_mut(*pair as usize).filter(|_| there(row)) {
                *sum = Some(sum.unwrap_or(0_i128).saturating_add(contribution(row)));
            }
        }
        sums
    }

    /// The pairs in order.
    pub(super) fn list(&self) -> &[(u32, u32)] {
        &self.list
    }
}
