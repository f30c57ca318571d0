//! Finds misspelled settings: environment variables that start with `MUSTER_` but are not a setting.

use clap::CommandFactory;

use crate::cli::Cli;

/// Variables of the scripts and clients around Muster.
const FOREIGN: [&str; 3] = ["MUSTER_URL", "MUSTER_TOKEN", "MUSTER_BIN"];
const FOREIGN_PREFIXES: [&str; 3] = ["MUSTER_STACK_", "MUSTER_TEST_", "MUSTER_WORKER_PIDS"];

/// Fails if there is an unknown variable, because a misspelled one would silently have no effect.
pub(crate) fn check_known() -> anyhow::Result<()> {
    let settings = setting_variables();
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("MUSTER_")) else { continue };
        let foreign = FOREIGN.contains(&name) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if !foreign && !settings.iter().any(|variable| variable == name) {
            let nearest = settings.iter().min_by_key(|variable| distance(variable, name));
            let hint = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
            anyhow::bail!("the variable {name} is set, but Muster has no such setting{hint}");
        }
    }
    Ok(())
}

fn setting_variables() -> Vec<String> {
    fn collect(command: &clap::Command, found: &mut Vec<String>) {
        let variables = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
        found.extend(variables.map(str::to_owned));
        command.get_subcommands().for_each(|command| collect(command, found));
    }
    let mut found = Vec::new();
    collect(&Cli::command(), &mut found);
    found
}

/// The Levenshtein distance of two names, in bytes.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_has_a_muster_variable() {
        let settings = setting_variables();
        assert!(settings.iter().all(|name| name.starts_with("MUSTER_")), "{settings:?}");
        assert!(settings.iter().any(|name| name == "MUSTER_CONCURRENCY"));
    }

    #[test]
    fn the_nearest_name_of_a_misspelling_is_the_intended_one() {
        let settings = setting_variables();
        let nearest = settings.iter().min_by_key(|variable| distance(variable, "MUSTER_CONCURENCY"));
        assert_eq!(nearest.map(String::as_str), Some("MUSTER_CONCURRENCY"));
    }
}
