//! The command line of `imgmgr`, whose library knows nothing of it.

#[expect(unused_imports, reason = "it names types for the commands, which are not here")]
#[path = "../../imgmgr/src/cli/args/mod.rs"]
mod args;

/// The definition of `imgmgr`.
pub(crate) fn command() -> clap::Command {
    <args::Args as clap::CommandFactory>::command()
}
