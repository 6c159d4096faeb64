//! A flag of `serve` for each limit.

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::limits::table::bounds;
use crate::limits::{Limits, Value};

/// The limits that flags name, in the order of the table.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitArguments(Vec<Option<Value>>);

impl LimitArguments {
    /// These limits, where no flag says otherwise.
    pub(super) fn over(&self, mut limits: Limits) -> Limits {
        for (bound, value) in bounds().iter().zip(&self.0) {
            if let Some(value) = value {
                bound.set(&mut limits, *value);
            }
        }
        limits
    }
}

impl Args for LimitArguments {
    fn augment_args(command: Command) -> Command {
        command.args(bounds().iter().map(|bound| {
            let default = bound.kind.show(bound.of(Limits::default()));
            Arg::new(bound.flag)
                .long(bound.flag)
                .value_name(bound.kind.placeholder())
                .help(format!("{} [default: {default}]", bound.what))
                .long_help(format!("{} [default: {default}, {}]", bound.what, bound.reason))
                .help_heading("Bounds")
                .value_parser(|text: &str| bound.read(text))
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LimitArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |flag| matches.try_get_one::<Value>(flag).map(Option::<&Value>::copied);
        let values = bounds().iter().map(|bound| value(bound.flag)).collect::<Result<_, _>>();
        values.map(Self).map_err(|error| clap::Error::raw(ErrorKind::InvalidValue, error))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::super::{Command as Given, CommandLine};
    use super::*;

    fn limits(line: &str, file: Limits) -> Result<Limits, String> {
        match CommandLine::try_parse_from(line.split(' ')) {
            Ok(CommandLine { command: Given::Serve(arguments) }) => Ok(arguments.limits.over(file)),
            Ok(_) => panic!("{line} serves"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_rest_stays() {
        let file = Limits { connections: 7, request_time: Duration::from_secs(9), ..Limits::default() };
        assert_eq!(limits("plausible-mcp serve", file), Ok(file));
        let line = "plausible-mcp serve --request-time 5s --large-answers-bytes=64M --instance-requests 1";
        let expected = Limits {
            request_time: Duration::from_secs(5),
            large_answers_bytes: 64 << 20,
            instance_requests: std::num::NonZeroUsize::MIN,
            ..file
        };
        assert_eq!(limits(line, file), Ok(expected));
    }

    #[test]
    fn every_bound_has_a_flag_and_a_wrong_value_is_told_with_an_example() {
        for bound in bounds() {
            let flag = format!("--{}", bound.flag);
            let fine = format!("plausible-mcp serve {flag} {}", bound.kind.show(bound.of(Limits::default())));
            assert_eq!(limits(&fine, Limits::default()), Ok(Limits::default()), "{fine}");
            let told = limits(&format!("plausible-mcp serve {flag} many"), Limits::default()).unwrap_err();
            assert!(told.contains(&flag) && told.contains("for example"), "{told}");
        }
    }
}
