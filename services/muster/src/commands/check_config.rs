//! `muster check-config`: the settings that a role would start with, without starting it.

use std::io::Write;

use anyhow::{Context, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory};
use url::Url;

use crate::cli::{CheckConfigArgs, Cli};

/// Settings that are URLs, with the schemes that each accepts.
const URL_SCHEMES: [(&str, &[&str]); 4] = [
    ("database_url", &["postgres", "postgresql"]),
    ("amqp_url", &["amqp", "amqps"]),
    ("redis_url", &["redis", "rediss"]),
    ("raw_store", &["file", "s3", "gs", "az"]),
];

pub(crate) fn run(args: &CheckConfigArgs) -> anyhow::Result<()> {
    let flags = args.flags.iter().map(String::as_str);
    let words = ["muster", args.role.as_str()].into_iter().chain(flags);
    // The messages of clap name the setting and its range.
    let matches = Cli::command().try_get_matches_from(words).unwrap_or_else(|error| error.exit());
    let (role, matches) = matches.subcommand().context("expected a role")?;
    let command = Cli::command();
    let command = command.find_subcommand(role).context("expected a role")?;
    let settings = command.get_arguments().filter(|setting| setting.get_env().is_some());
    let settings = settings.map(|setting| describe(setting, matches)).collect::<anyhow::Result<Vec<_>>>()?;
    print(command, &settings)
}

/// A setting as it is printed.
struct Setting {
    flag: String,
    variable: String,
    value: String,
    source: &'static str,
}

fn describe(setting: &Arg, matches: &ArgMatches) -> anyhow::Result<Setting> {
    let id = setting.get_id().as_str();
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    let variable = setting.get_env().map(text).unwrap_or_default();
    let value = matches.get_raw(id).and_then(|mut values| values.next()).map(text);
    let schemes = URL_SCHEMES.iter().find(|(name, _)| *name == id).map(|(_, schemes)| *schemes);
    let value = match (value, schemes) {
        (None, _) => "(not set)".to_owned(),
        (Some(url), Some(schemes)) => check_url(&variable, &url, schemes)?,
        (Some(_), None) if setting.is_hide_env_values_set() => "(hidden)".to_owned(),
        (Some(value), None) => value,
    };
    let source = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => "flag",
        Some(ValueSource::EnvVariable) => "variable",
        Some(_) => "default",
        None => "",
    };
    Ok(Setting { flag: format!("--{}", setting.get_long().unwrap_or_default()), variable, value, source })
}

/// Returns the URL without its secrets. An error contains no part of the URL.
fn check_url(variable: &str, url: &str, schemes: &[&str]) -> anyhow::Result<String> {
    let expected = schemes.iter().map(|scheme| format!("{scheme}://…")).collect::<Vec<_>>().join(" or ");
    let Ok(mut url) = Url::parse(url) else {
        bail!("{variable}: expected a URL such as {expected}, found an invalid URL");
    };
    if !schemes.contains(&url.scheme()) {
        bail!("{variable}: expected {expected}, found another scheme");
    }
    if url.password().is_some() {
        url.set_password(Some("hidden")).ok();
    }
    // Parameters can be secrets as well.
    if url.query().is_some() {
        url.set_query(Some("hidden"));
    }
    Ok(url.into())
}

fn print(command: &Command, settings: &[Setting]) -> anyhow::Result<()> {
    let width = |text: fn(&Setting) -> &str| settings.iter().map(|setting| text(setting).len()).max().unwrap_or(0);
    let (flag_width, variable_width) = (width(|setting| &setting.flag), width(|setting| &setting.variable));
    let mut out = std::io::stdout().lock();
    writeln!(out, "muster {} would start with:", command.get_name())?;
    for Setting { flag, variable, value, source } in settings {
        let source = if source.is_empty() { String::new() } else { format!("  ({source})") };
        writeln!(out, "  {flag:flag_width$}  {variable:variable_width$}  {value}{source}")?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_secrets() {
        let shown = |url| check_url("X", url, &["postgres"]).unwrap();
        assert_eq!(shown("postgres://ann:canary@db:5432/muster"), "postgres://ann:hidden@db:5432/muster");
        assert_eq!(shown("postgres://db/muster?password=canary"), "postgres://db/muster?hidden");
    }

    #[test]
    fn the_error_for_an_invalid_url_does_not_repeat_it() {
        for wrong in ["canary", "http://ann:canary@db/muster", ""] {
            let error = check_url("MUSTER_DATABASE_URL", wrong, &["postgres"]).unwrap_err().to_string();
            assert!(error.contains("MUSTER_DATABASE_URL: expected"), "{error}");
            assert!(error.contains("postgres://…") && !error.contains("canary"), "{error}");
        }
    }
}
