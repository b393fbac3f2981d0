//! What is asked one after another in one house, and then in the other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use cordon_tests::World;

use super::generator::{Draw, Pool, next, statement};
use super::houses::{Pair, WITHHELD};
use super::statement::{CONSTRUCTS, Statement};
use super::transcript::{Transcript, prepared, transcript};

/// Statements that one person asks.
#[derive(Clone)]
pub(super) struct Sequence {
    pub(super) statements: Vec<Statement>,
    /// Which of the pair's askers.
    asker: usize,
    /// Whether each is prepared first, as clients do.
    prepared: bool,
}

/// What came of one statement in one house.
struct Came {
    prepared: Option<Transcript>,
    answer: Transcript,
}

impl Came {
    /// Whether it differs from the other in nothing but figures that are known, and in the charge.
    fn is_copy_like(&self, other: &Self, known: &BTreeSet<String>) -> bool {
        let prepared = self.prepared.as_ref().zip(other.prepared.as_ref());
        let (ours, theirs) = (self.answer.cells(), other.answer.cells());
        // Each as often as it stands there.
        let mut surplus = BTreeMap::<&String, i64>::new();
        ours.iter().for_each(|cell| *surplus.entry(cell).or_default() += 1);
        theirs.iter().for_each(|cell| *surplus.entry(cell).or_default() -= 1);
        let mut differing =
            surplus.into_iter().filter(|(_, n)| *n != 0).map(|(cell, _)| cell).peekable();
        // The same figures in another order are no copies.
        (ours == theirs || differing.peek().is_some())
            && differing.all(|cell| known.contains(cell))
            && self.answer.beside_figures() == other.answer.beside_figures()
            && prepared.is_none_or(|(one, other)| one.difference(other).is_none())
    }
}

impl Sequence {
    /// One statement, or up to four that hang together.
    pub(super) fn drawn(draw: &mut Draw, pool: &Pool, askers: usize) -> Self {
        let mut statements = vec![statement(draw, pool)];
        if draw.once_in(15) {
            for _ in 0..=draw.below(3) {
                statements.extend(statements.last().map(|before| next(draw, pool, before)));
            }
        }
        Self { statements, asker: draw.below(askers), prepared: draw.once_in(15) }
    }

    /// Of one statement, by the first asker.
    #[cfg(feature = "sabotage")]
    pub(super) fn of(statement: Statement) -> Self {
        Self { statements: vec![statement], asker: 0, prepared: false }
    }

    async fn asked(&self, pair: &Pair, other: bool) -> Result<Vec<Came>> {
        let asker = pair.askers.get(self.asker).context("an asker")?;
        let (world, who) = match other {
            false => (&pair.one, &asker.in_one),
            true => (&pair.other, &asker.in_other),
        };
        // Its noise is drawn anew each time.
        let figures = asker.profile != "differential-privacy";
        let mut came = Vec::new();
        for statement in &self.statements {
            came.push(self.came(world, who, statement, figures).await?);
        }
        Ok(came)
    }

    async fn came(
        &self,
        world: &World,
        who: &str,
        statement: &Statement,
        figures: bool,
    ) -> Result<Came> {
        let mut question = world.question(who, &statement.sql())?;
        question.options.status_columns = statement.with_status;
        question.options.error_columns = statement.with_errors;
        let prepared = match self.prepared {
            true => Some(prepared(&world.engine.prepare(question.clone()).await)),
            false => None,
        };
        question.parameters = statement.parameters()?;
        let answer = world.engine.run(question, Default::default()).await;
        Ok(Came { prepared, answer: transcript(&answer, figures) })
    }

    /// Asks all in one house, then all in the other.
    async fn both(&self, pair: &Pair) -> Result<(Vec<Came>, Vec<Came>)> {
        let one = self.asked(pair, false).await?;
        Ok((one, self.asked(pair, true).await?))
    }

    /// Asks all in one house, then all in the other. By statement, whether it was answered; and what differs, if anything
    /// does.
    pub(super) async fn differ(&self, pair: &Pair) -> Result<(Vec<bool>, Option<String>)> {
        let (one, other) = self.both(pair).await?;
        let answered = one.iter().map(|came| came.answer.answered).collect();
        let difference = one.iter().zip(&other).find_map(|(one, other)| {
            let prepared = one.prepared.as_ref().zip(other.prepared.as_ref());
            let prepared = prepared.and_then(|(one, other)| one.difference(other));
            prepared.or_else(|| one.answer.difference(&other.answer))
        });
        Ok((answered, difference))
    }

    /// The same with one statement less, or one part of a statement less.
    fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        if self.statements.len() > 1 {
            for n in 0..self.statements.len() {
                let mut less = self.clone();
                less.statements.remove(n);
                all.push(less);
            }
        }
        for (n, statement) in self.statements.iter().enumerate() {
            for smaller in statement.smaller() {
                let mut less = self.clone();
                less.statements[n] = smaller;
                all.push(less);
            }
        }
        all
    }

    /// Whether it still differs in new houses, after what was asked before.
    pub(super) async fn still_differs(
        &self,
        build: &impl AsyncFn() -> Result<Pair>,
        before: &[Self],
    ) -> Result<Option<String>> {
        let houses = build().await?;
        for earlier in before {
            earlier.differ(&houses).await?;
        }
        Ok(self.differ(&houses).await?.1)
    }

    /// As little as possible of what was asked before with which this still differs in new houses, and in what; none where it
    /// does not differ again.
    async fn needs(
        &self,
        build: &impl AsyncFn() -> Result<Pair>,
        mut before: Vec<Self>,
        most_tries: usize,
    ) -> Result<Option<(Vec<Self>, String)>> {
        let Some(mut difference) = self.still_differs(build, &before).await? else {
            return Ok(None);
        };
        let (mut tries, mut part) = (0, before.len());
        while part > 0 && tries < most_tries {
            let (mut from, mut fewer) = (0, false);
            while from < before.len() && tries < most_tries {
                tries += 1;
                let mut less = before.clone();
                less.drain(from..(from + part).min(before.len()));
                match self.still_differs(build, &less).await? {
                    Some(found) => (before, difference, fewer) = (less, found, true),
                    None => from += part,
                }
            }
            if !fewer {
                part /= 2;
            }
        }
        Ok(Some((before, difference)))
    }

    /// Whether what differs lies between earlier answers, told as one reads it: it takes earlier questions, every
    /// figure that only one of the houses tells was told in both when these were asked, so that it is a copy of theirs, and
    /// nothing else differs but the charge, which follows from figures.
    pub(super) async fn edge(
        &self,
        build: &impl AsyncFn() -> Result<Pair>,
        before: &[Self],
        most_tries: usize,
    ) -> Result<Option<String>> {
        if self.still_differs(build, &[]).await?.is_some() {
            return Ok(None);
        }
        let needs = self.needs(build, before.to_vec(), most_tries).await?;
        let Some((before, difference)) = needs else { return Ok(None) };
        let houses = build().await?;
        let mut known = BTreeSet::new();
        for earlier in &before {
            let (one, other) = earlier.both(&houses).await?;
            let told = |came: &[Came]| came.iter().flat_map(|c| c.answer.cells()).collect();
            let (one, other): (BTreeSet<String>, BTreeSet<String>) = (told(&one), told(&other));
            known.extend(one.intersection(&other).cloned());
        }
        let (one, other) = self.both(&houses).await?;
        let copies = one.iter().zip(&other).all(|(one, other)| one.is_copy_like(other, &known));
        let before: String = before.iter().map(|earlier| earlier.text(&houses) + "\n\n").collect();
        Ok(copies.then(|| format!("{before}and then {}\n{difference}", self.text(&houses))))
    }

    /// The smallest near this one that still differs, and as little as possible of what was asked before: that may be part of
    /// what broke. Houses are built anew for each try.
    pub(super) async fn smallest(
        mut self,
        build: impl AsyncFn() -> Result<Pair>,
        before: Vec<Self>,
        most_tries: usize,
    ) -> Result<String> {
        let Some((before, mut difference)) = self.needs(&build, before, most_tries).await? else {
            return Ok(format!("{}\nnot again in new houses", self.text(&build().await?)));
        };
        let mut tries = 0;
        'smaller: loop {
            for candidate in self.smaller() {
                tries += 1;
                if tries > most_tries {
                    break;
                }
                if let Some(found) = candidate.still_differs(&build, &before).await? {
                    (self, difference) = (candidate, found);
                    continue 'smaller;
                }
            }
            let houses = build().await?;
            let before: String =
                before.iter().map(|earlier| earlier.text(&houses) + "\n\n").collect();
            return Ok(format!("{before}and then {}\n{difference}", self.text(&houses)));
        }
    }

    /// What is asked, as one reads it.
    pub(super) fn text(&self, pair: &Pair) -> String {
        let profile = pair.askers.get(self.asker).map_or("?", |asker| asker.profile);
        let statements: Vec<String> = self.statements.iter().map(Statement::sql).collect();
        let prepared = if self.prepared { ", prepared" } else { "" };
        format!("under {profile}{prepared}:\n{}", statements.join(";\n"))
    }
}

/// What was asked, by construct and profile: how many pairs, and how many of them were answered.
#[derive(Default)]
pub(super) struct Coverage(BTreeMap<String, (u64, u64)>);

impl Coverage {
    pub(super) fn count(&mut self, pair: &Pair, sequence: &Sequence, answered: &[bool]) {
        let profile =
            pair.askers.get(sequence.asker).map(|asker| format!("profile {}", asker.profile));
        for (statement, answered) in sequence.statements.iter().zip(answered) {
            let mut is: Vec<String> =
                statement.constructs().into_iter().map(str::to_owned).collect();
            is.extend(profile.clone());
            let sql = statement.sql();
            for (there, name) in [
                (WITHHELD.iter().any(|column| sql.contains(column)), "column not granted"),
                (sequence.prepared, "prepared"),
                (sequence.statements.len() > 1, "sequence"),
            ] {
                is.extend(there.then(|| name.to_owned()));
            }
            for construct in is {
                let (asked, told) = self.0.entry(construct).or_default();
                *asked += 1;
                *told += u64::from(*answered);
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        for (construct, (asked, answered)) in other.0 {
            let (all, told) = self.0.entry(construct).or_default();
            (*all, *told) = (*all + asked, *told + answered);
        }
    }

    /// How many pairs.
    pub(super) fn asked(&self) -> u64 {
        self.0.get("statement").map_or(0, |(asked, _)| *asked)
    }

    /// Every construct was asked, and enough of all was answered: else it tests nothing.
    pub(super) fn is_enough(&self) -> Result<()> {
        for (construct, (asked, answered)) in &self.0 {
            eprintln!("{construct:<28} {asked:>6} asked {answered:>6} answered");
        }
        let of = |construct: &str| self.0.get(construct).copied().unwrap_or_default();
        let (asked, answered) = of("statement");
        ensure!(2 * answered >= asked, "only {answered} of {asked} statements were answered");
        for construct in CONSTRUCTS {
            let (asked, answered) = of(construct);
            ensure!(asked > 0, "{construct} was never asked");
            match *construct {
                "column not granted" => ensure!(answered == 0, "{construct} was answered"),
                hostile if hostile.starts_with("hostile") => {}
                _ => ensure!(answered > 0, "{construct} was never answered"),
            }
        }
        Ok(())
    }
}
