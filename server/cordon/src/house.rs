//! One house: its folder opened, its parts put together, its port served.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use cordon_catalogue::Catalogue;
use cordon_disclosure::{Ledger, Secret, Timestamp};
use cordon_engine::{Engine, EngineSettings, OptOuts};
use cordon_state::SqliteState;
use cordon_store::{AsOf, Store};
use cordon_wire::{
    AgreementsInForce, Doors, FlightSettings, Identity, KeepNotes, LocalIssuer, ServeError,
    TrustedIssuer, Withdrawn, WithdrawnUnknown,
};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use tokio_util::sync::CancellationToken;

use crate::agreement_files;
use crate::exit::{Exit, ended, usage};
use crate::folder::{Folder, write_private};
use crate::opt_out_file;
use crate::own_views::OwnWork;
use crate::settings::{LimitsFile, Settings};
use crate::signals;

/// A house that is ready to be served.
pub(crate) struct House {
    settings: Settings,
    catalogue: Arc<Catalogue>,
    agreements: AgreementsInForce,
    state: Arc<SqliteState>,
    engine: Arc<Engine>,
    opt_outs: Arc<OptOuts>,
}

/// A house that is being served.
pub(crate) struct Served {
    serving: cordon_wire::Serving,
    stop: CancellationToken,
}

impl House {
    /// Opens the folder and everything in it.
    pub(crate) async fn open(settings: Settings) -> anyhow::Result<Self> {
        let folder = &settings.folder;
        folder.create()?;
        let catalogue = Arc::new(Catalogue::built_in().context("the built-in catalogue")?);
        let store = open_store(folder, &catalogue).await?;
        store.pin(&settings.as_of).await.map_err(|error| usage(format!("`as_of`: {error}")))?;
        let state = SqliteState::open(folder.state())?;
        let agreements = read_agreements(&settings, &catalogue)?;
        let own = OwnWork { state: Arc::clone(&state), agreements: agreements.clone() };
        let opt_outs = Arc::new(OptOuts::new(opt_out_file::read(&settings.opt_outs)?));
        let limits = EngineSettings {
            own_views: Some(Arc::new(own)),
            opt_outs: Arc::clone(&opt_outs),
            as_of: settings.as_of.clone(),
            ..settings.limits.over(folder)
        };
        let ledger: Arc<dyn Ledger> = Arc::clone(&state) as _;
        let secret = Arc::new(secret(&settings.disclosure_key, &state)?);
        let engine = Engine::new(Arc::clone(&catalogue), Arc::new(store), ledger, secret, limits)
            .context("the query engine cannot start")?;
        Ok(Self { settings, catalogue, agreements, state, engine, opt_outs })
    }

    /// Opens the port.
    pub(crate) async fn serve(self) -> anyhow::Result<Served> {
        let Self { settings, catalogue, agreements, state, engine, opt_outs } = self;
        let identity = identity(&settings, &state)?;
        let keep_notes = Some(keep_notes(Arc::clone(&state)));
        let agreements_now = agreements.clone();
        let doors =
            Doors { engine, agreements: agreements_now, identity, ledger: state, keep_notes };
        let stop = CancellationToken::new();
        let serving = cordon_wire::serve(doors, settings.flight, stop.clone()).await;
        let serving = serving.map_err(explained)?;
        tokio::spawn(opt_out_file::follow(settings.opt_outs, opt_outs));
        tokio::spawn(agreement_files::follow(settings.agreements, catalogue, agreements));
        Ok(Served { serving, stop })
    }
}

impl Served {
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.serving.address()
    }

    /// Serves until the process is asked to stop, then lets calls under way finish. A second signal ends
    /// them at once.
    pub(crate) async fn until_stopped(self) -> anyhow::Result<()> {
        let Self { serving, stop } = self;
        let stopping = async {
            signals::stop().await;
            tracing::info!("stopping");
            stop.cancel();
            signals::stop().await;
        };
        tokio::select! {
            finished = serving.finished() => Ok(finished?),
            () = stopping => Ok(()),
        }
    }
}

/// What a setting causes is told as such.
fn explained(error: ServeError) -> anyhow::Error {
    let setting = matches!(error, ServeError::Tls(_) | ServeError::ClearText(_));
    let exit = if setting { Exit::Usage } else { Exit::Unavailable };
    ended(exit, format!("{:#}", anyhow::Error::from(error)))
}

/// The store of a folder.
pub(crate) async fn open_store(
    folder: &Folder,
    catalogue: &Arc<Catalogue>,
) -> anyhow::Result<Store> {
    let path = folder.store();
    let store = Store::open(&path, Arc::clone(catalogue)).await;
    store.with_context(|| format!("the store `{}` cannot be opened", path.display()))
}

fn read_agreements(
    settings: &Settings,
    catalogue: &Catalogue,
) -> anyhow::Result<AgreementsInForce> {
    let folder = &settings.agreements;
    let read = agreement_files::read(folder, catalogue)
        .with_context(|| format!("the agreements in `{}` cannot be read", folder.display()))?;
    Ok(AgreementsInForce::new(read.agreements))
}

fn identity(settings: &Settings, state: &Arc<SqliteState>) -> anyhow::Result<Identity> {
    let mut issuers: Vec<TrustedIssuer> = settings.sign_in.issuers.clone();
    if settings.sign_in.local {
        issuers.push(LocalIssuer::open(&settings.folder.keys())?.trusted()?);
    }
    let state = Arc::clone(state);
    let withdrawn: Arc<Withdrawn> = Arc::new(move |issuer, token_id| {
        state.revoked(issuer, token_id).map_err(|error| WithdrawnUnknown(Box::new(error)))
    });
    Ok(Identity::new(issuers)?.with_withdrawn(withdrawn))
}

/// The secret of disclosure control: made on the first start, and never again by itself. With another one
/// every figure is drawn anew, and what was answered before no longer protects what is answered next.
fn secret(path: &Path, state: &SqliteState) -> anyhow::Result<Secret> {
    let shown = path.display();
    if !path.exists() {
        if state.has_answers()? {
            return Err(usage(format!(
                "the secret `{shown}` is gone, and answers were drawn from it: restore it from its backup, or \
                 write 64 random hexadecimal digits into it to draw every figure anew"
            )));
        }
        let mut bytes = [0; 32];
        OsRng.try_fill_bytes(&mut bytes).context("no randomness for the secret")?;
        write_private(path, &format!("{}\n", hex::encode(bytes)))?;
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
    let bytes = hex::decode(text.trim()).map_err(|_| {
        usage(format!("`{shown}` is no secret: write at least 64 hexadecimal digits"))
    })?;
    Secret::new(&bytes).map_err(|error| usage(format!("`{shown}`: {error}")))
}

/// Notes on answers go where `my.notes` reads them.
fn keep_notes(state: Arc<SqliteState>) -> Arc<KeepNotes> {
    Arc::new(move |query_id, user, notes| {
        let notes = notes.iter().map(|note| (note.column.as_deref(), note.text.as_str()));
        Ok(state.keep_notes(query_id, user.as_str(), now(), notes)?)
    })
}

/// The limits that a house has when nobody wrote any, but for the deadline.
pub(crate) fn limits(deadline_seconds: Option<std::num::NonZeroU64>) -> LimitsFile {
    LimitsFile { deadline_seconds, ..LimitsFile::default() }
}

/// The settings of a house on this machine that trusts its own tokens only.
pub(crate) fn local(folder: Folder, port: u16, limits: LimitsFile) -> Settings {
    Settings {
        agreements: folder.agreements(),
        opt_outs: folder.opt_outs(),
        disclosure_key: folder.disclosure_key(),
        flight: FlightSettings { address: ([127, 0, 0, 1], port).into(), tls: None },
        sign_in: crate::settings::SignIn { local: true, issuers: Vec::new() },
        limits,
        as_of: AsOf::Latest,
        folder,
    }
}

/// This moment, as the ledger has it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
