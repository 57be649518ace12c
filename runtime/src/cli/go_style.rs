//! Flags as programs written in Go read them, brought into the form that clap reads.
//!
//! Callers of runc rely on it: `-bundle DIR` is `--bundle DIR`, `--detach=false` is nothing, and
//! a flag's value may start with a dash (`--memory-swap -1`) or be empty, which is none.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, ArgAction, Command};

use super::args::Operands;

/// Rewrites `words` for `command`: each flag that it knows becomes `--name` or `--name=value`,
/// what it doesn't know stays as it is, for clap to complain about.
///
/// With [`Operands::Last`], the first operand and everything after it comes out behind `--`.
pub(super) fn normalise(
    command: &Command,
    operands: Operands,
    words: &[OsString],
) -> Vec<OsString> {
    let mut out = Vec::with_capacity(words.len() + 1);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            out.push(word.clone());
            break;
        }
        match Flag::parse(command, word) {
            Some(Flag { arg, value }) if takes_value(arg) => {
                let value = value.map(OsStr::to_owned).or_else(|| rest.next().cloned());
                let repeats = matches!(arg.get_action(), ArgAction::Append);
                // An empty value is no value, unless it is one of a list, or a user: nobody must
                // become root by an empty variable (CVE-2024-40635).
                let must_be_valid = repeats || arg.get_id() == "user";
                if must_be_valid || value.as_ref().is_none_or(|value| !value.is_empty()) {
                    out.push(with_value(arg, value));
                }
            }
            Some(Flag { arg, value: None }) => out.push(with_value(arg, None)),
            Some(Flag { arg, value: Some(value) }) => match parse_bool(value) {
                Some(true) => out.push(with_value(arg, None)),
                Some(false) if arg.is_require_equals_set() => {
                    out.push(with_value(arg, Some("false".into())));
                }
                Some(false) => {}
                None => out.push(with_value(arg, Some(value.to_owned()))),
            },
            None if operands == Operands::Last && !is_dashed(word) => {
                out.push("--".into());
                out.push(word.clone());
                break;
            }
            None => out.push(word.clone()),
        }
    }
    out.extend(rest.cloned());
    out
}

/// The place of the first operand in `words`: for the program itself, its command's name.
pub(super) fn first_operand(command: &Command, words: &[OsString]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += match Flag::parse(command, word) {
            _ if word == "--" => return at + 1,
            Some(Flag { arg, value: None }) if takes_value(arg) => 2,
            Some(_) => 1,
            None if is_dashed(word) => 1,
            None => return at,
        };
    }
    words.len()
}

/// A word that names a flag of the command.
struct Flag<'a> {
    arg: &'a Arg,
    value: Option<&'a OsStr>,
}

impl<'a> Flag<'a> {
    fn parse(command: &'a Command, word: &'a OsStr) -> Option<Flag<'a>> {
        let bytes = word.as_bytes();
        let body = bytes.strip_prefix(b"--").or_else(|| bytes.strip_prefix(b"-"))?;
        let (name, value) = match body.iter().position(|&b| b == b'=') {
            Some(at) => (&body[..at], Some(OsStr::from_bytes(&body[at + 1..]))),
            None => (body, None),
        };
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
        let is_named = |arg: &&Arg| {
            arg.get_long() == Some(name)
                || arg.get_short().is_some_and(|short| name.chars().eq([short]))
        };
        let arg = command.get_arguments().find(is_named)?;
        Some(Flag { arg, value })
    }
}

/// A switch that knows three answers (yes, no, not asked) has a value for clap, but none in the
/// next word.
fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !arg.is_require_equals_set()
}

fn is_dashed(word: &OsStr) -> bool {
    word.len() > 1 && word.as_bytes().starts_with(b"-")
}

fn with_value(arg: &Arg, value: Option<OsString>) -> OsString {
    let mut word = b"--".to_vec();
    word.extend_from_slice(arg.get_long().unwrap_or_default().as_bytes());
    if let Some(value) = value {
        word.push(b'=');
        word.extend_from_slice(value.as_bytes());
    }
    OsString::from_vec(word)
}

fn parse_bool(value: &OsStr) -> Option<bool> {
    match value.to_str()? {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("c").args([
            Arg::new("bundle").long("bundle").short('b'),
            Arg::new("env").long("env").short('e').action(ArgAction::Append),
            Arg::new("tty").long("tty").short('t').action(ArgAction::SetTrue),
            Arg::new("nnp").long("nnp").num_args(0..=1).require_equals(true),
            Arg::new("words").num_args(0..),
        ])
    }

    fn check(operands: Operands, words: &str, expected: &str) {
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let mut normal = normalise(&command(), operands, &words);
        assert_eq!(normal.join(OsStr::new(" ")), expected);
        // Once more changes nothing.
        normal = normalise(&command(), operands, &normal);
        assert_eq!(normal.join(OsStr::new(" ")), expected);
    }

    #[test]
    fn one_dash_is_as_good_as_two() {
        check(Operands::Mixed, "-bundle x -tty id", "--bundle=x --tty id");
        check(Operands::Mixed, "-b x id -t", "--bundle=x id --tty");
        check(Operands::Mixed, "-b=x --b y", "--bundle=x --bundle=y");
    }

    #[test]
    fn values_may_start_with_a_dash() {
        check(Operands::Mixed, "--bundle -1 id", "--bundle=-1 id");
        check(Operands::Mixed, "-e --tty id", "--env=--tty id");
    }

    #[test]
    fn an_empty_value_is_none() {
        check(Operands::Mixed, "--bundle= id --env=", "id --env=");
        check(Operands::Mixed, "--bundle  id", "id");
    }

    #[test]
    fn switches_may_have_a_value() {
        check(Operands::Mixed, "--tty=true --tty=0 id", "--tty id");
        check(Operands::Mixed, "--tty=maybe", "--tty=maybe");
        check(Operands::Mixed, "--nnp=f -nnp id", "--nnp=false --nnp id");
    }

    #[test]
    fn another_programs_flags_are_left_alone() {
        check(Operands::Last, "-t id sh -c -t --env", "--tty -- id sh -c -t --env");
        check(Operands::Last, "-t -- id -b", "--tty -- id -b");
        check(Operands::Mixed, "--unknown -x id", "--unknown -x id");
    }

    #[test]
    fn the_first_operand_is_found_behind_flags_and_their_values() {
        let at = |words: &str| {
            let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            first_operand(&command(), &words)
        };
        assert_eq!(at("state x"), 0);
        assert_eq!(at("--bundle y --tty state"), 3);
        assert_eq!(at("--bundle=y -what state"), 2);
        assert_eq!(at("--tty"), 1);
    }
}
