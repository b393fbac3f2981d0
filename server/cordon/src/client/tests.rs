use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    connect: Connect,
}

fn connect(words: &[&str]) -> Connect {
    Line::parse_from([&["x"], words].concat()).connect
}

fn demo(tokens: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("demo")).unwrap();
    fs::write(folder.path().join("demo/tokens.json"), tokens).unwrap();
    folder
}

#[test]
fn a_token_file_holds_one_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let path = file.to_str().unwrap();
    fs::write(&file, "  abc.def.ghi\n").unwrap();
    assert_eq!(connect(&["--token-file", path]).token().unwrap().unwrap(), "abc.def.ghi");
    for wrong in ["", " \n", "secret\nsecond", "two words"] {
        fs::write(&file, wrong).unwrap();
        let text = connect(&["--token-file", path]).token().unwrap_err().to_string();
        assert!(text.contains(path) && !text.contains("secret"), "{text}");
    }
    fs::remove_file(&file).unwrap();
    assert!(
        connect(&["--token-file", path])
            .token()
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
}

#[test]
fn roles_of_the_demo_are_looked_up() {
    let folder = demo(r#"{"researcher":"r.r.r","governance":"g.g.g"}"#);
    let path = folder.path().to_str().unwrap();
    let token = |role| connect(&["--as", role, "--data-dir", path]).token();
    assert_eq!(token("researcher").unwrap().unwrap(), "r.r.r");
    let text = token("nobody").unwrap_err().to_string();
    assert!(
        text.contains("`nobody`") && text.contains("governance") && !text.contains("g.g.g"),
        "{text}"
    );
    let empty = tempfile::tempdir().unwrap();
    let text =
        connect(&["--as", "researcher", "--data-dir", empty.path().to_str().unwrap()]).token();
    assert!(text.unwrap_err().to_string().contains("cordon demo"));
}

#[test]
fn one_way_to_say_who_asks() {
    assert!(Line::try_parse_from(["x", "--token", "a", "--as", "researcher"]).is_err());
}

#[test]
fn tokens_do_not_travel_in_clear() {
    for here in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "grpc://127.0.0.1:1"]
    {
        assert_eq!(address(here).unwrap().scheme_str(), Some("http"));
    }
    for far in ["https://example.org", "grpc+tls://example.org:443"] {
        assert_eq!(address(far).unwrap().scheme_str(), Some("https"));
    }
    for wrong in ["http://example.org:50051", "http://10.0.0.1:1", "http://localhost.example.org:1"]
    {
        assert!(address(wrong).unwrap_err().to_string().contains("in clear"), "{wrong}");
    }
    for wrong in ["127.0.0.1:50051", "ftp://127.0.0.1", "", "http://"] {
        assert!(address(wrong).unwrap_err().to_string().contains("no address"), "{wrong}");
    }
}
