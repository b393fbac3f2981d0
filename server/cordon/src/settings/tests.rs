use super::*;

const SMALLEST: &str = "data_dir = \"data\"\n[sign_in]\nlocal = true\n";

fn read(text: &str) -> anyhow::Result<Settings> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cordon.toml");
    fs::write(&path, text).unwrap();
    Settings::read(&path)
}

fn problem(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn the_smallest_file_serves_this_machine_only() {
    let settings = read(SMALLEST).unwrap();
    assert_eq!(settings.flight.address.to_string(), "127.0.0.1:50051");
    assert!(settings.folder.path().ends_with("data"));
    assert!(settings.agreements.ends_with("data/agreements"));
    assert!(settings.sign_in.local);
}

#[test]
fn limits_stand_over_the_engines_own() {
    let text = format!("{SMALLEST}[limits]\nthreads = 3\nmemory_mib = 5\ndeadline_seconds = 7\n");
    let settings = read(&text).unwrap();
    let engine = settings.limits.over(&settings.folder);
    assert_eq!((engine.threads, engine.concurrency), (3, 6));
    assert_eq!((engine.memory_bytes, engine.deadline), (5 << 20, Duration::from_secs(7)));
    assert_eq!(engine.spill_bytes, EngineSettings::default().spill_bytes);
    assert!(engine.spill_dir.ends_with("data/spill"));
}

#[test]
fn a_misspelt_key_is_named_with_its_line() {
    let text = problem(&format!("{SMALLEST}[limits]\ndeadline_second = 3\n"));
    assert!(text.contains("deadline_second") && text.contains("line 5"), "{text}");
}

#[test]
fn older_versions_are_named_by_table() {
    let settings = read(&format!("{SMALLEST}[as_of]\n\"hes.apc\" = 3\n")).unwrap();
    let apc = ("hes.apc".parse().unwrap(), 3);
    assert_eq!(settings.as_of, AsOf::Versions(BTreeMap::from([apc])));
    assert_eq!(read(SMALLEST).unwrap().as_of, AsOf::Latest);
    assert!(problem(&format!("{SMALLEST}[as_of]\napc = 3\n")).contains("`as_of`: `apc`"));
}

#[test]
fn zero_is_no_limit() {
    assert!(problem(&format!("{SMALLEST}[limits]\nthreads = 0\n")).contains("nonzero"));
}

#[test]
fn clear_text_is_for_this_machine_only() {
    let text = problem(&format!("{SMALLEST}[flight]\naddress = \"0.0.0.0:50051\"\n"));
    assert!(text.contains("flight.tls") && text.contains("0.0.0.0:50051"), "{text}");
}

#[test]
fn somebody_must_be_trusted() {
    let text = problem("data_dir = \"data\"\n[sign_in]\nlocal = false\n");
    assert!(text.contains("trusts nobody"), "{text}");
}

#[test]
fn a_missing_certificate_is_named() {
    let tls = "[flight.tls]\ncertificate = \"absent.pem\"\nkey = \"absent.key\"\n";
    let text = problem(&format!("{SMALLEST}{tls}"));
    assert!(text.contains("flight.tls.certificate") && text.contains("absent.pem"), "{text}");
}

#[test]
fn a_key_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let path = folder.path().join("cordon.toml");
    let issuers = "[[sign_in.issuers]]\nname = \"https://a.example\"\nkeys = [{ id = \"1\", file = \"key.pem\" }]\n";
    fs::write(&path, format!("{SMALLEST}{issuers}")).unwrap();
    let text = Settings::read(&path).unwrap_err().to_string();
    assert!(text.contains("https://a.example") && text.contains("`1`"), "{text}");
}

#[test]
fn the_example_is_read() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/cordon.toml");
    let text = fs::read_to_string(example).unwrap();
    let file: SettingsFile = toml::from_str(&text).unwrap();
    // What it shows as commented examples is right as well.
    let all: String = text
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n");
    let whole: SettingsFile = toml::from_str(&all).unwrap();
    assert!(file.flight.tls.is_none() && whole.flight.tls.is_some());
    assert!(whole.limits.queries_at_once.is_some() && !whole.sign_in.issuers.is_empty());
}
