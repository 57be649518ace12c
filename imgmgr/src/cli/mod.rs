//! From words to requests, and from results to lines. No logic that a second interface would need.

mod args;
mod bundle;
mod config_paths;
mod context;
mod edit;
mod images;
mod output;
mod progress;
mod remote;
mod snapshots;
mod transfer;
mod trees;
mod upkeep;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use context::Context;
use output::{Done, report};
use worker::Side;

/// Reads the arguments, runs the command, and says how it went: 0, 1 failed, 2 usage.
pub(crate) fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    run_command(args).unwrap_or_else(|error| {
        report(&error);
        error.exit_code()
    })
}

fn run_command(args: Args) -> Done<ExitCode> {
    let mut context = Context::new(args.global)?;
    if sends(&args.command) {
        // A worker is of another session, which the terminal would let read what is not for it.
        context.ask_for_password()?;
        match worker::divide() {
            Side::Started(code) => return Ok(code),
            Side::Worker(started) => context.started = started,
        }
    }
    dispatch(&context, args.command).map(|()| ExitCode::SUCCESS)
}

/// Whether a command sends blobs to a registry.
fn sends(command: &Command) -> bool {
    match command {
        Command::Push(_) => true,
        Command::Copy(copy) => copy.destination.starts_with("docker://"),
        Command::Sync(sync) => sync.to.is_some(),
        _ => false,
    }
}

fn dispatch(context: &Context, command: Command) -> Done {
    match command {
        Command::Pull(pull) => transfer::pull(context, &pull),
        Command::Push(push) => transfer::push(context, &push),
        Command::Copy(copy) => transfer::copy(context, &copy),
        Command::Save(save) => transfer::save(context, &save),
        Command::Load(load) => transfer::load(context, &load),
        Command::Sync(sync) => transfer::sync(context, &sync),
        Command::List(list) => images::list(context, &list),
        Command::Tag(tag) => images::tag(context, &tag),
        Command::Untag(untag) => images::untag(context, &untag),
        Command::History(history) => images::history(context, &history),
        Command::Config(config) => edit::config(context, &config),
        Command::Append(append) => edit::append(context, &append),
        Command::Convert(convert) => edit::convert(context, &convert),
        Command::Import(import) => edit::import(context, &import),
        Command::Inspect(inspect) => remote::inspect(context, &inspect),
        Command::ListTags(list) => remote::list_tags(context, &list),
        Command::Delete(delete) => remote::delete(context, &delete),
        Command::Referrers(referrers) => remote::referrers(context, &referrers),
        Command::Login(login) => remote::login(context, &login),
        Command::Logout(logout) => remote::logout(context, &logout),
        Command::Unpack(unpack) => bundle::unpack(context, &unpack),
        Command::Repack(repack) => bundle::repack(context, &repack),
        Command::Mount(mount) => snapshots::mount(context, &mount),
        Command::Umount(umount) => snapshots::umount(context, &umount),
        Command::Snapshot(snapshot) => snapshots::snapshot(context, &snapshot.command),
        Command::Commit(commit) => trees::commit(context, &commit),
        Command::Export(export) => trees::export(context, &export),
        Command::Flatten(flatten) => trees::flatten(context, &flatten),
        Command::Diff(diff) => trees::diff_trees(context, &diff),
        Command::Gc(gc) => upkeep::gc(context, &gc),
        Command::Fsck(fsck) => upkeep::fsck(context, &fsck),
        Command::Validate(validate) => upkeep::validate(context, &validate),
        Command::Df(df) => upkeep::df(context, &df),
    }
}
