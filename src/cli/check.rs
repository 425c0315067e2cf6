//! `buoy check`: the daemon's own loader, on any file, for any host.
//!
//! Owns reading the file and the words of the result. Nothing is changed. What is wrong with the
//! file ends the command with exit code 78 and all problems; a warning does not.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use nix::unistd::gethostname;

use crate::config::{self, Config, Loaded};
use crate::control::instance::look_up_group;
use crate::exit::Failure;
use crate::os::keys;

use super::terminal;

/// Reads and judges the file; `-` is stdin. Gives the line to print; warnings go to stderr.
///
/// # Errors
/// The file cannot be read, or has problems.
pub fn check(file: &Path, host: &str) -> Result<String, Failure> {
    let (shown, bytes) = if file == Path::new("-") {
        ("<stdin>".to_owned(), read(io::stdin().lock()))
    } else {
        let read = File::open(file).and_then(read);
        (file.display().to_string(), read)
    };
    let bytes = bytes.map_err(|error| Failure::Configuration(unreadable(&shown, &error)))?;
    let colour = terminal::wants_colour(&io::stderr());
    match config::load(&bytes, host) {
        Ok(Loaded { config, warnings }) => {
            look_up_control_group(&shown, host, &config)?;
            judge_keys(&shown, host, &config)?;
            if !warnings.is_empty() {
                terminal::print_error(warnings.render(&shown, colour));
            }
            Ok(verdict(&shown, host, &config))
        }
        Err(problems) => Err(Failure::Configuration(problems.render(&shown, colour))),
    }
}

/// The first thing of a file that only the host itself can tell. Another host may have other groups.
fn look_up_control_group(shown: &str, host: &str, config: &Config) -> Result<(), Failure> {
    let Some(name) = config.control.group.as_deref() else {
        return Ok(());
    };
    let Err(error) = look_up_group(name) else {
        return Ok(());
    };
    if own_host().is_some_and(|own| own == host) {
        return Err(Failure::Configuration(format!("{shown}: {error}")));
    }
    terminal::print_error(format_args!(
        "{shown}: {error}; that is told of this machine, {host} may have it"
    ));
    Ok(())
}

/// The other one: the secrets that the file names, by the daemon's own loader. Credentials are given
/// to the service only.
fn judge_keys(shown: &str, host: &str, config: &Config) -> Result<(), Failure> {
    let problems = keys::read(config).err().unwrap_or_default();
    let is_own = own_host().is_some_and(|own| own == host);
    let (elsewhere, wrong): (Vec<_>, Vec<_>) = problems
        .into_iter()
        .partition(|problem| !is_own || problem.is_outside_of_service());
    for problem in &elsewhere {
        terminal::print_error(format_args!(
            "{shown}: {problem}; that is told of this shell, the service on {host} may have it"
        ));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::Configuration(keys::render(&wrong)))
    }
}

/// A little more than the loader accepts; what is endless is the wrong file.
const LONGEST_FILE: u64 = 2 * 1024 * 1024;

fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The name under which this server looks itself up: the one given, or that of the machine.
///
/// # Errors
/// The machine's name is no text.
pub fn host_or_own(host: Option<String>) -> Result<String, Failure> {
    host.or_else(own_host).ok_or_else(|| {
        Failure::Usage("this machine's host name is no text; give one with --host".to_owned())
    })
}

fn own_host() -> Option<String> {
    gethostname().ok()?.into_string().ok()
}

fn unreadable(shown: &str, error: &io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::NotFound => {
            "write it, or name another one: `buoy check FILE`, `buoy run --config FILE`"
        }
        ErrorKind::PermissionDenied => "use sudo, or make it readable",
        ErrorKind::IsADirectory => "name the file inside it",
        _ => "name another one: `buoy check FILE`, `buoy run --config FILE`",
    };
    let what = match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    };
    let mut text = format!("buoy: {shown}: {what}; {advice}");
    if error.kind() == ErrorKind::NotFound {
        let example = config::minimal_example().replace('\n', "\n    ");
        text = format!("{text}\n\na file is as short as this:\n\n    {example}");
    }
    text
}

fn verdict(shown: &str, host: &str, config: &Config) -> String {
    let count = config.routers.len();
    let routers: Vec<String> = config
        .routers
        .iter()
        .map(|router| format!("{} priority {}", router.name, router.priority))
        .collect();
    let plural = if count == 1 { "router" } else { "routers" };
    let list = if routers.is_empty() {
        String::new()
    } else {
        format!(" ({})", routers.join(", "))
    };
    format!("{shown}: fine: {count} {plural} for host {host}{list}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ControlConfig, InterfaceName, RouterConfig, RouterName};
    use crate::vrrp::{AdvertisementInterval, Centis, ChecksumStyle, Priority, Vrid};
    use std::time::Duration;

    fn router(name: &str, priority: u8) -> RouterConfig {
        RouterConfig {
            name: RouterName::new(name).unwrap(),
            interface: InterfaceName::new("eth0").unwrap(),
            vrid: Vrid::new(51).unwrap(),
            addresses: Vec::new(),
            priority: Priority::from_octet(priority),
            interval: AdvertisementInterval::Centis(Centis::new(25).unwrap()),
            preempt: true,
            preempt_delay: Duration::ZERO,
            checksum: ChecksumStyle::Rfc9568,
            version_2_too: false,
            accept: true,
            virtual_mac: false,
            transport: crate::config::Transport::Multicast,
            authentication: None,
            checks: Vec::new(),
            before_claim: None,
            bfd: None,
        }
    }

    #[test]
    fn a_fine_file_is_summed_up_in_a_line() {
        let routers = vec![router("web", 200), router("db", 100)];
        let config = Config {
            routers,
            groups: Vec::new(),
            control: ControlConfig::default(),
            realtime: crate::config::Realtime::default(),
            witness: None,
            checks: Vec::new(),
            hooks: Vec::new(),
            metrics: None,
        };
        assert_eq!(
            verdict("buoy.toml", "lb1", &config),
            "buoy.toml: fine: 2 routers for host lb1 (web priority 200, db priority 100)\n"
        );
    }

    #[test]
    fn a_missing_file_says_what_to_write() {
        let Err(failure) = check(Path::new("/nowhere/buoy.toml"), "lb1") else {
            panic!("read from nowhere")
        };
        assert_eq!(failure.exit(), crate::exit::Exit::Configuration);
        let text = failure.to_string();
        assert!(
            text.starts_with("buoy: /nowhere/buoy.toml: there is no such file; write it"),
            "{text}"
        );
        assert!(text.contains("[router.web]"), "{text}");
    }
}
