//! What the arguments mean.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Arguments, ErrorKind> {
    Arguments::try_parse_from(line.split(' ')).map_err(|error| error.kind())
}

#[test]
fn the_definition_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn paths_are_taken_before_and_after_the_command() {
    for line in [
        "buoy --runtime-dir /a --config /b status",
        "buoy status --config /b --runtime-dir /a",
    ] {
        let paths = parse(line).unwrap().paths;
        assert_eq!(
            (paths.runtime_dir, paths.config),
            ("/a".into(), "/b".into())
        );
        assert_eq!(paths.state_dir, PathBuf::from("/var/lib/buoy"));
    }
}

#[test]
fn the_state_is_checked_of_one_router_or_of_all() {
    let asked = |line| match parse(line)?.command {
        Command::CheckState { router, expect } => Ok((router.is_some(), expect)),
        other => panic!("unexpected {other:?}"),
    };
    assert_eq!(asked("buoy check-state"), Ok((false, Expected::Any)));
    assert_eq!(
        asked("buoy check-state web --expect active"),
        Ok((true, Expected::Active))
    );
    assert_eq!(
        asked("buoy check-state --expect master"),
        Err(ErrorKind::InvalidValue)
    );
}

#[test]
fn whose_exit_codes_are_expected_is_known_from_bad_arguments_too() {
    for (line, wanted) in [
        ("check-state --expect master", true),
        ("--runtime-dir /a check-state --bad", true),
        ("--runtime-dir=/a check-state --bad", true),
        ("status check-state --bad", false),
        ("--runtime-dir check-state", false),
        ("", false),
    ] {
        assert_eq!(is_check_state(line.split(' ')), wanted, "{line}");
    }
}

#[test]
fn a_demotion_names_one_router_or_all() {
    let selection = |line| match parse(line)?.command {
        Command::Demote { which, .. } | Command::Restore { which } => Ok(which.selection()),
        other => panic!("unexpected {other:?}"),
    };
    let web = RouterName::new("web").unwrap();
    assert_eq!(
        selection("buoy demote web"),
        Ok(Selection::Router(web.clone()))
    );
    assert_eq!(selection("buoy restore web"), Ok(Selection::Router(web)));
    assert_eq!(selection("buoy demote --all --wait"), Ok(Selection::All));
    assert_eq!(
        selection("buoy demote"),
        Err(ErrorKind::MissingRequiredArgument)
    );
    assert_eq!(
        selection("buoy demote web --all"),
        Err(ErrorKind::ArgumentConflict)
    );
    assert_eq!(
        selection("buoy demote ../web"),
        Err(ErrorKind::ValueValidation)
    );
}

#[test]
fn a_demotion_takes_a_time_as_people_write_it() {
    let duration = |line: &str| match parse(line)?.command {
        Command::Demote { duration, .. } => Ok(duration),
        other => panic!("unexpected {other:?}"),
    };
    assert_eq!(
        duration("buoy demote web --for 30m"),
        Ok(Some(Duration::from_mins(30)))
    );
    assert_eq!(duration("buoy demote web"), Ok(None));
    for bad in ["30", "0s", "-1m", "soon"] {
        let line = format!("buoy demote web --for={bad}");
        assert_eq!(duration(&line), Err(ErrorKind::ValueValidation), "{bad}");
    }
}

#[test]
fn the_daemon_takes_its_options() {
    let line = "buoy run --host lb1 --log json --log-level debug --die-with-parent";
    let Command::Run(arguments) = parse(line).unwrap().command else {
        panic!("not run")
    };
    assert_eq!(arguments.host.as_deref(), Some("lb1"));
    assert_eq!(arguments.log, Some(LogFormat::Json));
    assert_eq!(arguments.log_level, LogLevel::Debug);
    assert!(arguments.die_with_parent);
}

#[test]
fn every_command_of_the_design_is_there() {
    for line in [
        "buoy demo --json",
        "buoy run",
        "buoy check",
        "buoy check buoy.toml --host lb2",
        "buoy check -",
        "buoy status",
        "buoy status web --json --watch",
        "buoy demote web --for 2h --wait --never",
        "buoy restore --all",
        "buoy reload --dry-run",
        "buoy release",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    assert_eq!(
        parse("buoy promote web").unwrap_err(),
        ErrorKind::InvalidSubcommand
    );
}
