//! Workers, seen from the process that compares them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use super::ground::Ground;
use super::worker::{Asked, Crowded, Engine, Reply, Request};
use crate::exit::usage;

/// Speaks the lines of `worker.rs`.
const DUCKDB: &str = include_str!("duckdb.py");

/// One process, or in tests one thread.
pub(super) struct Worker {
    pub(super) engine: Engine,
    pub(super) version: String,
    to: Option<Box<dyn Write + Send>>,
    from: Box<dyn BufRead + Send>,
    child: Option<Child>,
}

/// One worker for each engine, all alive at once.
pub(super) fn start(
    engines: &[Engine],
    ground: &Ground,
    threads: usize,
    python: &Path,
) -> anyhow::Result<Vec<Worker>> {
    engines.iter().map(|engine| Worker::start(*engine, ground, threads, python)).collect()
}

impl Worker {
    pub(super) fn start(
        engine: Engine,
        ground: &Ground,
        threads: usize,
        python: &Path,
    ) -> anyhow::Result<Self> {
        let program = match engine {
            Engine::Cordon | Engine::DataFusion => {
                let own = std::env::current_exe().context("cannot find this program")?;
                Command::new(own).args(["bench", "worker"]).running()
            }
            Engine::DuckDb | Engine::DuckDbPersons => {
                Command::new(python).args([OsStr::new("-c"), OsStr::new(DUCKDB)]).running()
            }
        };
        let mut child = program.map_err(|error| match engine {
            Engine::Cordon | Engine::DataFusion => {
                anyhow::Error::new(error).context("cannot start a worker")
            }
            Engine::DuckDb | Engine::DuckDbPersons => usage(format!(
                "`{}` cannot be started: {error}; name a Python that has DuckDB with --python, or leave DuckDB out with --engines cordon,datafusion",
                python.display()
            )),
        })?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.context("a worker without pipes")?;
        let mut worker = Self::over(engine, Box::new(to), Box::new(BufReader::new(from)));
        worker.child = Some(child);
        worker.open(ground, threads)?;
        Ok(worker)
    }

    /// Whoever answers these lines.
    pub(super) fn over(
        engine: Engine,
        to: Box<dyn Write + Send>,
        from: Box<dyn BufRead + Send>,
    ) -> Self {
        Self { engine, version: String::new(), to: Some(to), from, child: None }
    }

    pub(super) fn open(&mut self, ground: &Ground, threads: usize) -> anyhow::Result<()> {
        let request = Request::Open {
            engine: self.engine,
            threads,
            store: ground.store.clone(),
            scratch: ground.scratch.path().to_owned(),
            tables: ground.tables.clone(),
        };
        match self.call(&request)? {
            Reply::Ready { version } => {
                self.version = version;
                Ok(())
            }
            Reply::Problem { text } => Err(usage(text)),
            _ => self.confused(),
        }
    }

    /// Forgets what was asked, so that the next question is new.
    pub(super) fn fresh(&mut self) -> anyhow::Result<()> {
        match self.call(&Request::Fresh)? {
            Reply::Ready { .. } => Ok(()),
            Reply::Problem { text } => anyhow::bail!("{}: {text}", self.engine.name()),
            _ => self.confused(),
        }
    }

    /// The inner error is the engine's, the outer one ours.
    pub(super) fn ask(&mut self, sql: &str) -> anyhow::Result<Result<Asked, String>> {
        match self.call(&Request::Ask { sql: sql.to_owned() })? {
            Reply::Asked(asked) => Ok(Ok(asked)),
            Reply::Problem { text } => Ok(Err(text)),
            _ => self.confused(),
        }
    }

    pub(super) fn crowd(
        &mut self,
        clients: usize,
        seconds: f64,
        questions: &[String],
    ) -> anyhow::Result<Crowded> {
        let questions = questions.to_vec();
        match self.call(&Request::Crowd { clients, seconds, questions })? {
            Reply::Crowded(crowded) => Ok(crowded),
            Reply::Problem { text } => anyhow::bail!("{}: {text}", self.engine.name()),
            _ => self.confused(),
        }
    }

    fn call(&mut self, request: &Request) -> anyhow::Result<Reply> {
        let name = self.engine.name();
        let ended = || format!("the worker of {name} has ended");
        let to = self.to.as_mut().with_context(ended)?;
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        to.write_all(line.as_bytes()).and_then(|()| to.flush()).with_context(ended)?;
        line.clear();
        let read = self.from.read_line(&mut line).with_context(ended)?;
        anyhow::ensure!(read > 0, ended());
        serde_json::from_str(&line).with_context(|| format!("the worker of {name} says `{line}`"))
    }

    fn confused<T>(&self) -> anyhow::Result<T> {
        anyhow::bail!("the worker of {} answers another question", self.engine.name())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without requests a worker ends by itself, unless it is in the middle of something.
        self.to = None;
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// With pipes to us; what it complains about is seen as ours is.
trait Running {
    fn running(&mut self) -> std::io::Result<Child>;
}

impl Running for Command {
    fn running(&mut self) -> std::io::Result<Child> {
        self.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
    }
}
