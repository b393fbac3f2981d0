//! The engine as the doors see it: the stages of a query, in order, on a runtime of their own.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use cordon_agreements::{OptOuts as OptOutRule, Permit};
use cordon_catalogue::{Catalogue, TableName};
use cordon_disclosure::sabotage::{Control, is_off};
use cordon_disclosure::{
    AuditEvent, AuditOutcome, Charge, Code, Fingerprint, Ledger, LedgerError, Outcome, Profile,
    Question, RawAggregates, ReleasedTable, Scope, Secret, Timestamp, most_charged, release,
    repeat, spent,
};
use cordon_store::{AsOf, Pinned, Store};
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::answer::{Answer, Failure, Note, Prepared, Stop};
use crate::authorise::authorise;
use crate::execute::{self, Given};
use crate::failure;
use crate::guard::{self, Cut, GuardedPlan, Step};
use crate::opt_outs::{OptOutList, OptOuts};
use crate::plans::{self, Plans};
use crate::rehearse::rehearse;
use crate::slots::{Slot, Slots};
use crate::{errors, finish, functions, parse, session, views};

/// Limits of one server. Defaults suit two cores and a few gigabytes.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Worker threads and scan partitions of inner plans.
    pub threads: usize,
    /// Memory of all running queries together, bytes.
    pub memory_bytes: usize,
    /// Spill space of one server, bytes.
    pub spill_bytes: u64,
    /// Where spills go; emptied at start.
    pub spill_dir: PathBuf,
    /// A query is stopped after this time.
    pub deadline: Duration,
    /// Queries planned or executed at once; others wait.
    pub concurrency: usize,
    /// Persons who opted out: left out of everything where the agreement says so.
    pub opt_outs: Arc<OptOuts>,
    /// Where the analyst's own work is read from (`my.queries` and the like).
    pub own_views: Option<Arc<dyn OwnViews>>,
    /// Which versions of the tables are asked.
    pub as_of: AsOf,
}

/// The analyst's own work as tables under `my`.
pub trait OwnViews: Send + Sync + std::fmt::Debug {
    /// The tables for this permit; the same names and schemas for everybody.
    fn views(&self, permit: &Permit) -> BTreeMap<TableName, RecordBatch>;
}

/// A signed-in analyst's question. Proves nothing about the text.
#[derive(Clone, Debug)]
pub struct SubmittedSql {
    /// The query's id in ledger, journal and notes, by [`new_query_id`]; the door tells it to the analyst.
    pub query_id: String,
    /// Who asks, under which agreement, with which rights.
    pub permit: Permit,
    /// The text as sent.
    pub text: String,
    /// One row with one column per parameter, when the statement has any.
    pub parameters: Option<RecordBatch>,
    /// How the answer is wanted.
    pub options: QueryOptions,
    /// The door it came through: `flight`, `cli`.
    pub door: &'static str,
}

/// How the answer is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryOptions {
    /// A `<column>_status` column beside every figure.
    pub status_columns: bool,
    /// A `<column>_se` column beside every figure: its standard error.
    pub error_columns: bool,
}

/// Plans, guards, runs and releases.
pub struct Engine {
    inner: Arc<Inner>,
    /// Planning and execution never run on the threads that serve connections. Taken at drop, so that
    /// dropping an engine inside another runtime does not block.
    runtime: Option<Runtime>,
    /// Where plans are optimized and run: what does not yield there holds up no timer and no ledger.
    working: Option<Runtime>,
}

struct Inner {
    catalogue: Arc<Catalogue>,
    store: Arc<Store>,
    ledger: Arc<dyn Ledger>,
    secret: Arc<Secret>,
    settings: EngineSettings,
    state: SessionState,
    /// For plans over released tables.
    in_order: SessionState,
    /// For plans over made-up rows.
    rehearsal: SessionState,
    slots: Slots,
    work: Handle,
    plans: Plans<Planned>,
}

/// A plan that may run, with all it was made from.
struct Planned {
    guarded: GuardedPlan,
    prepared: Prepared,
    pinned: Arc<Pinned>,
    opt_outs: OptOutList,
    /// Whether the same text means the same: no parameters, nothing of the analyst's own work.
    stays: bool,
}

/// What a question came to before it ended.
#[derive(Default)]
struct Ran {
    /// The pinned versions, as text.
    versions: String,
    /// Whether rows of patients were put beside each other.
    meets: bool,
}

/// Answers for which rows of patients were put beside each other come in steps of so much time.
const STEP: Duration = Duration::from_millis(100);

/// What is missing to the next step.
fn until_step(elapsed: Duration) -> Duration {
    let steps = elapsed.as_nanos().div_ceil(STEP.as_nanos()).max(1);
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)).saturating_sub(elapsed)
}

impl Default for EngineSettings {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            threads,
            memory_bytes: 2 << 30,
            spill_bytes: 4 << 30,
            spill_dir: std::env::temp_dir().join("cordon-spill"),
            deadline: Duration::from_secs(120),
            concurrency: threads * 2,
            opt_outs: Arc::default(),
            own_views: None,
            as_of: AsOf::Latest,
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for runtime in [self.runtime.take(), self.working.take()].into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

impl Engine {
    /// An engine over a store and a ledger. Starts its own runtime: planning and execution never run on
    /// the threads that serve connections.
    ///
    /// # Errors
    /// When the spill folder or the threads cannot be had.
    pub fn new(
        catalogue: Arc<Catalogue>,
        store: Arc<Store>,
        ledger: Arc<dyn Ledger>,
        secret: Arc<Secret>,
        settings: EngineSettings,
    ) -> std::io::Result<Arc<Self>> {
        let threads = settings.threads.max(1);
        let runtime = |name: &str, threads: usize| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name(name)
                // Planning recurses over expressions; the limits on the text keep it far below this.
                .thread_stack_size(16 << 20)
                .enable_all()
                .build()
        };
        // More than one analyst's queries hold when they do not yield.
        let working = runtime("cordon-work", threads * settings.concurrency.clamp(2, 32))?;
        let front = runtime("cordon-engine", threads)?;
        let state = session::state(&settings)?;
        let slots = Slots::new(settings.concurrency);
        let (in_order, rehearsal) = (session::in_order(&state), session::rehearsal(&state));
        let inner = Inner {
            catalogue,
            store,
            ledger,
            secret,
            settings,
            state,
            in_order,
            rehearsal,
            slots,
            work: working.handle().clone(),
            plans: Plans::default(),
        };
        let inner = Arc::new(inner);
        Ok(Arc::new(Self { inner, runtime: Some(front), working: Some(working) }))
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<tokio::task::JoinHandle<T>> {
        self.runtime.as_ref().map(|r| r.spawn(work))
    }

    /// Checks and plans without running: refusals about text and agreement come here already.
    ///
    /// # Errors
    /// A refusal (recorded) or a failure.
    pub async fn prepare(&self, sql: SubmittedSql) -> Result<Prepared, Stop> {
        let inner = Arc::clone(&self.inner);
        let token = CancellationToken::new();
        let _gone = token.clone().drop_guard();
        let work = async move {
            let started = Instant::now();
            let planned = match inner.slot(&sql, started, &token).await {
                Ok(slot) => {
                    let planned = inner.plan(&sql, false, slot, (started, &token)).await;
                    planned.map(|planned| planned.prepared.clone())
                }
                Err(busy) => Err(busy),
            };
            match planned {
                Ok(prepared) => Ok(prepared),
                Err(stop) => Err(inner.record_stop(&sql, "", stop).await),
            }
        };
        self.joined(self.spawn(work)).await
    }

    /// Runs, releases, records and finishes. Dropping the future before release cancels the work;
    /// `cancel` does so explicitly.
    ///
    /// # Errors
    /// A refusal or a failure, recorded.
    pub async fn run(&self, sql: SubmittedSql, cancel: CancellationToken) -> Result<Answer, Stop> {
        let inner = Arc::clone(&self.inner);
        let token = cancel.child_token();
        // The caller goes away: the token falls, the work notices unless it is past release.
        let _gone = token.clone().drop_guard();
        let work = async move {
            let (started, mut ran) = (Instant::now(), Ran::default());
            let answer = match inner.answer(&sql, &token, &mut ran).await {
                Ok(answer) => Ok(answer),
                Err(stop) => Err(inner.record_stop(&sql, &ran.versions, stop).await),
            };
            if ran.meets {
                tokio::time::sleep(until_step(started.elapsed())).await;
            }
            answer
        };
        self.joined(self.spawn(work)).await
    }

    async fn joined<T>(
        &self,
        handle: Option<tokio::task::JoinHandle<Result<T, Stop>>>,
    ) -> Result<T, Stop> {
        let Some(handle) = handle else { return Err(failure::internal("the engine has stopped")) };
        match handle.await {
            Ok(result) => result,
            Err(error) => {
                Err(failure::internal(if error.is_panic() { "a panic" } else { "a lost task" }))
            }
        }
    }

    /// The tables that exist for a permit (granted, reference, own views) with the schemas that exist
    /// for it, by name.
    pub fn visible_tables(&self, permit: &Permit) -> Vec<(TableName, SchemaRef)> {
        views::visible(&self.inner.catalogue, permit, &self.inner.own_views(permit))
    }

    /// The names of the functions that an analyst may use: scalar numeric, string, date-time, aggregate.
    pub fn function_names(&self) -> Vec<String> {
        let state = &self.inner.state;
        let mut names: Vec<String> = state
            .scalar_functions()
            .keys()
            .chain(state.aggregate_functions().keys())
            .chain(state.window_functions().keys())
            .filter(|n| functions::is_known(n))
            .cloned()
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// The catalogue the engine answers from.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.inner.catalogue
    }
}

impl Inner {
    fn own_views(&self, permit: &Permit) -> BTreeMap<TableName, RecordBatch> {
        self.settings.own_views.as_ref().map(|v| v.views(permit)).unwrap_or_default()
    }

    /// Waits for a place among the queries that run at once, until the deadline or the caller's going away.
    async fn slot(
        &self,
        sql: &SubmittedSql,
        started: Instant,
        cancel: &CancellationToken,
    ) -> Result<Arc<Slot>, Stop> {
        let left = self.settings.deadline.saturating_sub(started.elapsed());
        self.slots.take(&sql.permit.analyst().to_string(), left, cancel).await
    }

    /// arrive, parse, authorise, guard: nothing runs. Planning cannot be stopped: when the deadline comes or the
    /// caller goes, it is left behind, and keeps its place among the queries that run at once until it ends.
    async fn plan(
        self: &Arc<Self>,
        sql: &SubmittedSql,
        bound: bool,
        slot: Arc<Slot>,
        (started, cancel): (Instant, &CancellationToken),
    ) -> Result<Arc<Planned>, Stop> {
        let pinned = self.store.pin(&self.settings.as_of).await.map_err(|e| failure::store(&e))?;
        let pinned = Arc::new(pinned);
        let opt_outs = match sql.permit.opt_outs() {
            OptOutRule::Applied => self.settings.opt_outs.list(&self.store).await,
            OptOutRule::NotApplied => Ok(OptOutList::default()),
        };
        let opt_outs = opt_outs.map_err(|e| failure::store(&e))?;
        let key = plan_key(sql, &pinned, &opt_outs);
        if sql.parameters.is_none()
            && let Some(planned) = self.plans.get(&key)
        {
            return Ok(planned);
        }
        let (inner, sql) = (Arc::clone(self), sql.clone());
        // Planning does not yield: it runs on a thread that serves nobody else.
        let planning = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let planned = inner.plan_now(&sql, bound, pinned, opt_outs).map(Arc::new)?;
            // A statement that is only prepared is looked at again with its parameters.
            if planned.prepared.parameters.fields().is_empty() {
                inner.work.block_on(rehearse(&planned.guarded.steps, &inner.rehearsal))?;
            }
            if planned.stays {
                inner.plans.keep(key, &planned);
            }
            Ok(planned)
        });
        let left = self.settings.deadline.saturating_sub(started.elapsed());
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(failure::of(Code::Cancelled)),
            () = tokio::time::sleep(left) => Err(failure::of(Code::DeadlineReached)),
            planned = planning => planned.map_err(|_| failure::internal("a panic in planning"))?,
        }
    }

    fn plan_now(
        &self,
        sql: &SubmittedSql,
        bound: bool,
        pinned: Arc<Pinned>,
        opt_outs: OptOutList,
    ) -> Result<Planned, Stop> {
        let query = parse::parse(&sql.text)?;
        let query = if bound || sql.parameters.is_some() {
            query.bind(sql.parameters.as_ref())?
        } else {
            query
        };
        let query = query.with_today(today(&pinned));
        let own_views = query.own_views();
        let views = if own_views {
            let own = self.own_views(&sql.permit);
            views::with_information_schema(&self.catalogue, &sql.permit, own)
                .map_err(|_| failure::internal("own views"))?
        } else {
            BTreeMap::new()
        };
        let authorised =
            authorise(query, sql.permit.clone(), &self.catalogue, &views, &self.state)?;
        let world = guard::World {
            catalogue: &self.catalogue,
            pinned: &pinned,
            state: &self.state,
            partitions: self.settings.threads.max(1),
            opt_outs: &opt_outs,
            people: self.secret.people(),
        };
        let mut guarded = guard::guard(&authorised, &world)?;
        if sql.options.error_columns {
            guarded.outer = errors::with_errors(&guarded.outer, &guarded.columns)
                .map_err(|_| failure::internal("errors beside figures"))?;
        }
        let schema = finish::advertised(&guarded, sql.options, sql.permit.profile());
        let parameters = authorised
            .parameters
            .iter()
            .enumerate()
            .map(|(n, t)| Field::new(n.to_string(), t.clone().unwrap_or(DataType::Null), true))
            .collect::<Vec<_>>();
        let stays = !own_views && sql.parameters.is_none() && parameters.is_empty();
        let prepared = Prepared { schema, parameters: Arc::new(Schema::new(parameters)) };
        Ok(Planned { guarded, prepared, pinned, opt_outs, stays })
    }

    /// execute, release, finish.
    async fn answer(
        self: &Arc<Self>,
        sql: &SubmittedSql,
        cancel: &CancellationToken,
        ran: &mut Ran,
    ) -> Result<Answer, Stop> {
        let started = Instant::now();
        let slot = self.slot(sql, started, cancel).await?;
        let planned = self.plan(sql, true, Arc::clone(&slot), (started, cancel)).await?;
        let Planned { guarded, prepared, pinned, opt_outs, .. } = planned.as_ref();
        ran.versions = pinned.fingerprint();
        let one_row_joins = guarded.one_row_joins;
        let mut given = Given::default();
        // Once something was released and recorded, the caller's going away changes nothing more.
        let mut cancel = cancel.clone();
        let mut extra = Vec::new();
        let (mut charged, mut metered) = (Charge::default(), None);
        let versions = ran.versions.clone();
        let context = (versions.as_str(), opt_outs.digest());
        let asked = |cut: &Cut, given: &Given| self.question(sql, cut, given, context);
        let profile = sql.permit.profile().as_ref().clone();
        // What was run together with an earlier cut.
        let mut ready: HashMap<usize, RawAggregates> = HashMap::new();
        for (at, step) in guarded.steps.iter().enumerate() {
            match step {
                Step::Cut(cut) => {
                    let id = cut.id;
                    let question = asked(cut, &given);
                    if let Some(table) = self.repeated(cut, &question, &profile).await? {
                        note_treatments(&mut extra, &table);
                        metered = table.metered().or(metered);
                        given.tables.insert(cut.id, table.batch().clone());
                        continue;
                    }
                    // Under differential privacy all answers come in steps.
                    ran.meets |= cut.meets || cut.gather.bounding.is_some();
                    if !ready.contains_key(&id) {
                        let (mut cuts, mut questions) = (vec![Arc::clone(cut)], vec![question]);
                        for later in guarded.steps.iter().skip(at + 1) {
                            if let Step::Cut(later) = later
                                && execute::shares(cut, later)
                            {
                                let question = asked(later, &given);
                                if !self.is_known(&question).await? {
                                    cuts.push(Arc::clone(later));
                                    questions.push(question);
                                }
                            }
                        }
                        let ids: Vec<usize> = cuts.iter().map(|cut| cut.id).collect();
                        let (inner, earlier) = (Arc::clone(self), given.clone());
                        let (to_ask, rules) = (questions.clone(), profile.clone());
                        let work = async move {
                            let state = &inner.state;
                            execute::cuts(&cuts, &earlier, state, one_row_joins, to_ask, &rules)
                                .await
                        };
                        match self.stoppable(work, &slot, &cancel, started).await {
                            Ok(raw) => ready.extend(ids.into_iter().zip(raw)),
                            Err(stop) => {
                                for question in questions {
                                    self.charge_stopped(&profile, question).await?;
                                }
                                return Err(stop);
                            }
                        }
                    }
                    let Some(raw) = ready.remove(&id) else {
                        return Err(failure::internal("a cut was not run"));
                    };
                    cancel = CancellationToken::new();
                    let (ledger, secret) = (Arc::clone(&self.ledger), Arc::clone(&self.secret));
                    let decide = move || release(raw, &secret, ledger.as_ref(), now());
                    let outcome = tokio::task::spawn_blocking(decide)
                        .await
                        .map_err(|_| failure::internal("a panic in release"))?
                        .map_err(|e| failure::release(&e))?;
                    match outcome {
                        Outcome::Refused(refusal) => return Err(Stop::Refused(refusal)),
                        Outcome::Released(table) => {
                            note_treatments(&mut extra, &table);
                            charged =
                                charged.and(table.metered().map(|m| m.charge).unwrap_or_default());
                            metered = table.metered().or(metered);
                            given.tables.insert(id, table.batch().clone());
                        }
                    }
                }
                Step::Scalar { id, plan } => {
                    let (inner, plan, earlier) = (Arc::clone(self), plan.clone(), given.clone());
                    let work = async move {
                        execute::scalar(plan, &earlier, &inner.in_order, one_row_joins).await
                    };
                    let value: ScalarValue = self.stoppable(work, &slot, &cancel, started).await?;
                    given.values.insert(id.clone(), value);
                }
            }
        }
        let outer = given.fill(guarded.outer.clone()).map_err(|e| failure::engine(&e))?;
        let inner = Arc::clone(self);
        let finishing = async move {
            Ok(execute::released(outer, &inner.in_order, one_row_joins)
                .await
                .map_err(|e| failure::over_figures(&e)))
        };
        let batches = self.stoppable(finishing, &slot, &cancel, started).await??;
        let profile = sql.permit.profile();
        extra.extend(metered.map(|last| finish::metered(charged, &last)));
        let notes = finish::notes(guarded, extra);
        let answer = finish::answer(
            sql.query_id.clone(),
            guarded,
            prepared,
            sql.options,
            &batches,
            notes,
            profile,
        )
        .map_err(|e| failure::engine(&e))?;
        let rows = answer.batches.iter().map(|b| b.num_rows() as u64).sum();
        let outcome = AuditOutcome::Released { rows, columns: answer.schema.fields().len() as u64 };
        // The disk is waited for without a place: another query can work meanwhile.
        drop(slot);
        self.record(sql, &ran.versions, outcome).await?;
        Ok(answer)
    }

    /// Whether it was answered before.
    async fn is_known(&self, question: &Question) -> Result<bool, Stop> {
        let asked = question.clone();
        self.in_ledger(move |ledger| Ok(ledger.standing(&asked)?.known)).await
    }

    /// What was answered before is answered again without reading a row. Past the budget nothing else is.
    async fn repeated(
        &self,
        cut: &Cut,
        question: &Question,
        profile: &Profile,
    ) -> Result<Option<ReleasedTable>, Stop> {
        let asked = question.clone();
        let standing = self.in_ledger(move |ledger| ledger.standing(&asked)).await?;
        if !standing.known {
            return match spent(profile, standing.meter, question.tables) {
                Some(refusal) => Err(refusal.into()),
                None => Ok(None),
            };
        }
        let (columns, question, profile) = (cut.columns(), question.clone(), profile.clone());
        let ledger = Arc::clone(&self.ledger);
        tokio::task::spawn_blocking(move || {
            repeat(&question, &profile, &columns, ledger.as_ref(), now())
        })
        .await
        .map_err(|_| failure::internal("a panic in release"))?
        .map_err(|e| failure::release(&e))
    }

    /// What was run and gave no answer is charged as much as it could have been: how long it ran, or that it met a
    /// limit, tells of the data too.
    async fn charge_stopped(&self, profile: &Profile, question: Question) -> Result<(), Stop> {
        let charge = most_charged(profile, question.tables);
        if charge == Charge::default() {
            return Ok(());
        }
        self.in_ledger(move |ledger| match ledger.standing(&question)?.known {
            true => Ok(()),
            false => ledger.charge(&question, charge),
        })
        .await
    }

    async fn in_ledger<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Stop> {
        let ledger = Arc::clone(&self.ledger);
        tokio::task::spawn_blocking(move || work(ledger.as_ref()))
            .await
            .map_err(|_| failure::internal("a panic in the ledger"))?
            .map_err(|e| failure::ledger(&e))
    }

    /// Runs a plan until it ends, the caller goes away, or the deadline comes. Where it does not yield it is left
    /// behind, and keeps its place among the queries that run at once until it does.
    async fn stoppable<T: Send + 'static>(
        &self,
        work: impl Future<Output = datafusion::common::Result<T>> + Send + 'static,
        slot: &Arc<Slot>,
        cancel: &CancellationToken,
        started: Instant,
    ) -> Result<T, Stop> {
        let left = self.settings.deadline.saturating_sub(started.elapsed());
        let slot = Arc::clone(slot);
        // A set of one: dropped, it stops.
        let mut working = JoinSet::new();
        let work = async move {
            let _slot = slot;
            work.await
        };
        working.spawn_on(work, &self.work);
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(failure::of(Code::Cancelled)),
            () = tokio::time::sleep(left) => Err(failure::of(Code::DeadlineReached)),
            result = working.join_next() => match result {
                Some(Ok(result)) => result.map_err(|e| failure::engine(&e)),
                _ => Err(failure::internal("a panic in a plan")),
            }
        }
    }

    /// What a table is computed from, as one digest: inner plan, earlier values, permit, versions.
    fn question(
        &self,
        sql: &SubmittedSql,
        cut: &Cut,
        given: &Given,
        (versions, opt_outs): (&str, &str),
    ) -> Question {
        let mut digest = Sha256::new();
        let mut part = |text: &str| {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text.as_bytes());
        };
        part(versions);
        part(&sql.permit.fingerprint());
        part(opt_outs);
        part(&cut.words);
        part(&format!("{:?}", cut.measures));
        part(&cut.domain.as_ref().map(|d| format!("{:?}", d.sets)).unwrap_or_default());
        for earlier in given.read_by(&cut.rows) {
            part(&earlier);
        }
        Question {
            query_id: sql.query_id.clone(),
            analyst: sql.permit.analyst().to_string(),
            agreement: sql.permit.agreement().to_string(),
            meter: sql.permit.meter().to_string(),
            // Not the versions of the tables: who changed between two loads would be told apart.
            scope: Scope(format!(
                "{:?} {} k={:?} secret={}{}",
                sql.permit.opt_outs(),
                sql.permit.profile().name(),
                sql.permit.profile().separation(),
                self.secret.id(),
                if is_off(Control::Scope) { sql.permit.agreement().as_str() } else { "" },
            )),
            fingerprint: Fingerprint(digest.finalize().into()),
            tables: cut.tables as u64,
        }
    }

    async fn record(
        &self,
        sql: &SubmittedSql,
        versions: &str,
        outcome: AuditOutcome,
    ) -> Result<(), Stop> {
        let event = AuditEvent {
            query_id: sql.query_id.clone(),
            analyst: sql.permit.analyst().to_string(),
            agreement: sql.permit.agreement().to_string(),
            door: sql.door.to_owned(),
            sql: sql.text.clone(),
            fingerprint: Fingerprint(Sha256::digest(sql.text.as_bytes()).into()),
            versions: versions.to_owned(),
            outcome,
        };
        let ledger = Arc::clone(&self.ledger);
        tokio::task::spawn_blocking(move || ledger.record(&event, now()))
            .await
            .map_err(|_| failure::internal("a panic in the ledger"))?
            .map(|_| ())
            .map_err(|e| failure::ledger(&e))
    }

    /// A refusal leaves only when it is recorded; else the ledger's own failure leaves.
    async fn record_stop(&self, sql: &SubmittedSql, versions: &str, stop: Stop) -> Stop {
        let outcome = match &stop {
            Stop::Refused(refusal) => AuditOutcome::Refused(refusal.code.id().to_owned()),
            Stop::Failed(Failure { code, .. }) => AuditOutcome::Failed(code.id().to_owned()),
        };
        match self.record(sql, versions, outcome).await {
            Ok(()) => stop,
            Err(unrecorded) => unrecorded,
        }
    }
}

fn note_treatments(notes: &mut Vec<Note>, table: &cordon_disclosure::ReleasedTable) {
    let texts =
        table.measures().iter().map(|m| m.treatment.clone()).chain(table.notes().iter().cloned());
    for text in texts {
        let note = Note { column: None, text };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
}

/// The day the data speak of: the newest commit of the pinned tables, so that the same question keeps
/// its meaning until the data change.
fn today(pinned: &Pinned) -> chrono::NaiveDate {
    pinned
        .tables()
        .filter_map(|t| pinned.committed_at(t))
        .max()
        .map_or(chrono::NaiveDate::default(), |t| t.date_naive())
}

/// What a plan is made from, as one digest.
fn plan_key(sql: &SubmittedSql, pinned: &Pinned, opt_outs: &OptOutList) -> plans::Key {
    let mut digest = Sha256::new();
    for part in [
        &sql.text,
        &sql.permit.fingerprint(),
        &pinned.fingerprint(),
        opt_outs.digest(),
        &format!("{:?}", sql.options),
    ] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().into()
}

fn now() -> Timestamp {
    Timestamp(chrono::Utc::now().timestamp_millis())
}

/// An id for one question.
pub fn new_query_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i1_answers_come_in_steps() {
        let step = |elapsed| until_step(Duration::from_millis(elapsed)).as_millis();
        for (elapsed, missing) in [(0, 100), (1, 99), (99, 1), (100, 0), (101, 99), (1_234, 66)] {
            assert_eq!(step(elapsed), missing, "{elapsed}");
        }
    }
}
