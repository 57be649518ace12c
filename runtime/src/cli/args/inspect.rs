//! Commands with few flags: those that look, and those that only name a container.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::Environment;
use super::super::request::{Request, UsageError};
use super::Resolve;
use super::path::bundle;
use super::value::parse_duration;
use crate::container_id::ContainerId;
use crate::request::{
    BundleRequest, EventsRequest, EventsRhythm, ListRequest, OutputFormat, PlanFormat, PsRequest,
    SpecRequest,
};

/// Declares a command whose only operand is a container.
macro_rules! container_command {
    ($args:ident, $request:ident) => {
        #[derive(Args)]
        pub(super) struct $args {
            /// The container
            #[arg(value_name = "CONTAINER-ID")]
            id: ContainerId,
        }

        impl Resolve for $args {
            fn resolve(self, _: &Environment) -> Result<Request, UsageError> {
                Ok(Request::$request(self.id))
            }
        }
    };
}

container_command!(StartArgs, Start);
container_command!(StateArgs, State);
container_command!(PauseArgs, Pause);
container_command!(ResumeArgs, Resume);

#[derive(Args)]
pub(super) struct EventsArgs {
    /// Time between two lines of statistics, such as 500ms, 5s or 1m30s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    interval: Duration,

    /// Print the statistics once
    #[arg(long)]
    stats: bool,

    /// The container
    #[arg(value_name = "CONTAINER-ID")]
    id: ContainerId,
}

impl Resolve for EventsArgs {
    fn resolve(self, _: &Environment) -> Result<Request, UsageError> {
        if self.interval.is_zero() {
            return Err(UsageError::Interval);
        }
        let rhythm =
            if self.stats { EventsRhythm::Once } else { EventsRhythm::Every(self.interval) };
        Ok(Request::Events(EventsRequest { id: self.id, rhythm }))
    }
}

#[derive(Args)]
pub(super) struct FeaturesArgs {}

impl Resolve for FeaturesArgs {
    fn resolve(self, _: &Environment) -> Result<Request, UsageError> {
        Ok(Request::Features)
    }
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// Output: table or json
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    format: String,

    /// Print ids only
    #[arg(long, short)]
    quiet: bool,
}

impl Resolve for ListArgs {
    fn resolve(self, _: &Environment) -> Result<Request, UsageError> {
        // With --quiet the format does not matter, not even a wrong one.
        let format = if self.quiet { OutputFormat::Table } else { parse_format(&self.format)? };
        Ok(Request::List(ListRequest { format, quiet: self.quiet }))
    }
}

#[derive(Args)]
pub(super) struct PsArgs {
    /// Output: table or json
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    format: String,

    /// The container
    #[arg(value_name = "CONTAINER-ID")]
    id: ContainerId,

    /// Options for ps(1) [default: -ef]
    #[arg(value_name = "PS-OPTION")]
    ps_args: Vec<String>,
}

impl Resolve for PsArgs {
    fn resolve(self, _: &Environment) -> Result<Request, UsageError> {
        let format = parse_format(&self.format)?;
        Ok(Request::Ps(PsRequest { id: self.id, format, ps_args: self.ps_args }))
    }
}

#[derive(Args)]
pub(super) struct SpecArgs {
    /// Directory of the bundle [default: the working directory]
    #[arg(long, short, value_name = "DIR")]
    bundle: Option<PathBuf>,

    /// For a container run by a user who is not root
    #[arg(long)]
    rootless: bool,
}

impl Resolve for SpecArgs {
    fn resolve(self, environment: &Environment) -> Result<Request, UsageError> {
        let bundle = bundle(self.bundle, environment);
        Ok(Request::Spec(SpecRequest { bundle, rootless: self.rootless }))
    }
}

#[derive(Args)]
pub(super) struct BundleArgs {
    /// Directory of the bundle [default: the working directory]
    #[arg(long, short, value_name = "DIR")]
    bundle: Option<PathBuf>,

    /// The name that the container would have
    #[arg(value_name = "CONTAINER-ID", default_value = "container")]
    id: ContainerId,
}

impl BundleArgs {
    fn request(self, environment: &Environment) -> BundleRequest {
        BundleRequest { bundle: bundle(self.bundle, environment), id: self.id }
    }
}

#[derive(Args)]
pub(super) struct PlanArgs {
    /// Format of the plan: text or json
    #[arg(long, short = 'f', value_name = "FORMAT", default_value = "text")]
    format: String,

    #[command(flatten)]
    bundle: BundleArgs,
}

impl Resolve for PlanArgs {
    fn resolve(self, environment: &Environment) -> Result<Request, UsageError> {
        let format = match self.format.as_str() {
            "text" => PlanFormat::Text,
            "json" => PlanFormat::Json,
            _ => return Err(UsageError::PlanFormat { given: self.format }),
        };
        Ok(Request::Plan(self.bundle.request(environment), format))
    }
}

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    bundle: BundleArgs,
}

impl Resolve for CheckArgs {
    fn resolve(self, environment: &Environment) -> Result<Request, UsageError> {
        Ok(Request::Check(self.bundle.request(environment)))
    }
}

fn parse_format(given: &str) -> Result<OutputFormat, UsageError> {
    match given {
        "table" => Ok(OutputFormat::Table),
        "json" => Ok(OutputFormat::Json),
        _ => Err(UsageError::OutputFormat { given: given.to_owned() }),
    }
}
