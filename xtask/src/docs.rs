//! Man pages and shell completions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// A program, and the section of the manual that its pages are in.
struct Program {
    definition: fn() -> Command,
    section: &'static str,
}

/// `runt` is the administrator's, as runc is; `imgmgr` is everybody's.
const PROGRAMS: &[Program] = &[
    Program { definition: runt::cli::command, section: "8" },
    Program { definition: crate::imgmgr_cli::command, section: "1" },
];

/// Files by their path in the repository.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Directories that hold nothing but generated files.
const DIRECTORIES: &[&str] = &["man", "completions"];

/// Writes every file, and removes what no longer is one of them.
pub(crate) fn write(repository: &Path) -> Result<()> {
    let files = generate()?;
    for directory in DIRECTORIES {
        let directory = repository.join(directory);
        fs::create_dir_all(&directory)?;
        for path in list(&directory)? {
            let known = path.strip_prefix(repository).is_ok_and(|path| files.contains_key(path));
            if !known {
                fs::remove_file(&path)?;
            }
        }
    }
    for (path, content) in &files {
        let path = repository.join(path);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Compares every file with what it would be.
pub(crate) fn check(repository: &Path) -> Result<()> {
    let files = generate()?;
    let mut stale: Vec<PathBuf> = files
        .iter()
        .filter(|(path, content)| fs::read(repository.join(path)).ok().as_ref() != Some(*content))
        .map(|(path, _)| path.clone())
        .collect();
    for directory in DIRECTORIES {
        let found = list(&repository.join(directory))?;
        let relative = found.iter().filter_map(|path| path.strip_prefix(repository).ok());
        stale.extend(relative.filter(|path| !files.contains_key(*path)).map(Path::to_owned));
    }
    ensure!(stale.is_empty(), "run `cargo xtask docs`: these files differ: {stale:?}");
    Ok(())
}

fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

fn generate() -> Result<Files> {
    let mut files = Files::new();
    for Program { definition, section } in PROGRAMS {
        man_pages(definition(), section, &mut files)?;
        completions(definition(), &mut files)?;
    }
    Ok(files)
}

/// One page for the program and one for each command: `runt.8`, `runt-create.8`, ...
fn man_pages(mut command: Command, section: &str, files: &mut Files) -> Result<()> {
    command.build();
    let program = command.get_name().to_owned();
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("{program}-{}", subcommand.get_name());
        man_page(subcommand.clone().display_name(&name), &name, section, files)?;
    }
    man_page(command, &program, section, files)
}

fn man_page(command: Command, name: &str, section: &str, files: &mut Files) -> Result<()> {
    let mut page = Vec::new();
    let title = name.to_uppercase();
    Man::new(command).title(title).section(section).render(&mut page)?;
    files.insert(Path::new("man").join(format!("{name}.{section}")), page);
    Ok(())
}

fn completions(mut command: Command, files: &mut Files) -> Result<()> {
    let program = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        let name = match shell {
            Shell::Bash => format!("{program}.bash"),
            Shell::Fish => format!("{program}.fish"),
            Shell::Zsh => format!("_{program}"),
            other => bail!("no file name for {other}"),
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, &program, &mut script);
        files.insert(Path::new("completions").join(name), script);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn checked_in_files_are_current() {
        check(repository()).unwrap();
    }

    #[test]
    fn every_command_has_a_page() {
        let files = generate().unwrap();
        let pages = PROGRAMS.iter().flat_map(|Program { definition, section }| {
            let command = definition();
            let name = command.get_name().to_owned();
            let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
            subcommands.into_iter().map(move |subcommand| {
                (format!("man/{name}-{}.{section}", subcommand.get_name()), subcommand)
            })
        });
        for (page, subcommand) in pages {
            let text = files.get(Path::new(&page)).map(|page| String::from_utf8_lossy(page));
            let text = text.unwrap_or_else(|| panic!("{page}")).replace('\\', "");
            // roff writes quotes otherwise.
            let about = subcommand.get_about().unwrap().to_string();
            assert!(text.contains(about.split('\'').next().unwrap()), "{page}");
        }
    }

    #[test]
    fn a_stale_or_foreign_file_is_found() {
        let directory = std::env::temp_dir().join(format!("xtask-docs-{}", std::process::id()));
        for name in DIRECTORIES {
            fs::create_dir_all(directory.join(name)).unwrap();
        }
        assert!(check(&directory).is_err());
        write(&directory).unwrap();
        check(&directory).unwrap();
        fs::write(directory.join("man/old.8"), "").unwrap();
        assert!(check(&directory).is_err());
        write(&directory).unwrap();
        check(&directory).unwrap();
        fs::remove_dir_all(&directory).unwrap();
    }
}
