//! `cordon bench utility`: how far figures are from the truth, and how many are withheld.
//!
//! Everything is measured on made-up people of whom the truth is known. Nothing here is part of a server.

mod cells;
mod reruns;
mod tables;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use cordon_catalogue::Catalogue;
use serde_json::json;

use super::questions::{QUESTIONS, with_people};
use super::sides::House;
use crate::console::{self, Bar};
use crate::exit::Exit;

pub(super) use cells::{Cell, Kind, cells};

/// Compare figures with the truth, over made-up people
///
/// Sixteen questions are asked under the profile `nhs-sde` and of plain DataFusion. A figure could have been shown
/// if it is about ten people or more; how many of these were withheld, and how far the shown ones are from the truth,
/// is printed by kind of figure and by how many people are behind it. Then ordinary re-runs: a cohort that was
/// changed by 2 and 5 %, one more covariate, another age band, cumulative weeks.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  cordon bench utility --people 100000 --json utility-100000.json

docs/utility.md says what the figures mean; docs/utility/plots.py draws them from the JSON file.

Exit codes: 0 measured, 1 a question was refused or failed, 8 could not be set up.")]
pub(super) struct Args {
    /// How many people
    #[arg(long, value_name = "N", default_value_t = NonZeroU64::new(100_000).unwrap_or(NonZeroU64::MIN))]
    people: NonZeroU64,
    /// Write all figures to a file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
    let house = House::make(args.people.into(), &catalogue, super::threads(None)).await?;
    let protected = house.protected(&catalogue)?;
    let bar = Bar::new("asking", QUESTIONS.len() as u64);
    let mut all = Vec::new();
    let mut failed = false;
    for (done, question) in (1..).zip(QUESTIONS) {
        let truth = house.plain.rows(&with_people(question.sql)).await;
        let told = protected.answer(question.sql).await;
        match (told, truth) {
            (Ok(told), Ok(truth)) => all.extend(cells(&question, &told, &truth)?),
            (told, truth) => {
                failed = true;
                let problem = told.err().or(truth.err()).unwrap_or_default();
                console::say(&format!("{}: {problem}", question.name))?;
            }
        }
        bar.known(done, QUESTIONS.len() as u64);
    }
    drop(bar);
    console::say(&format!("{} people\n", args.people))?;
    console::say(&tables::by_people(&all))?;
    console::say(&tables::by_question(&all))?;
    // Re-runs meet an empty memory: what was asked above is not what an analyst asked before.
    let reruns = reruns::all(&house, &catalogue).await?;
    console::say(&reruns::table(&reruns))?;
    if let Some(path) = &args.json {
        let json = json!({
            "people": args.people.get(),
            "cells": all.iter().map(Cell::json).collect::<Vec<_>>(),
            "reruns": reruns.iter().map(reruns::Rerun::json).collect::<Vec<_>>(),
        });
        std::fs::write(path, format!("{json}\n"))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(if failed { Exit::Incomplete } else { Exit::Done })
}
