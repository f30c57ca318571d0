//! Rules about the sources of the product: no module cycles, and no dialect where it does not belong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folder of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The `src` folders of all crates of the product.
pub(crate) fn source_folders() -> Vec<PathBuf> {
    let crates = ["services", "shared"].map(|group| std::fs::read_dir(Path::new(ROOT).join(group)).unwrap());
    crates.into_iter().flatten().map(|entry| entry.unwrap().path().join("src")).collect()
}

/// The Rust files below a folder, with their text up to the unit tests.
pub(crate) fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            found.push((path, code));
        }
    }
    found
}

/// A module by its path from the crate root; the root is the empty path.
type Module = Vec<String>;

fn module_of(folder: &Path, file: &Path) -> Module {
    let relative = file.strip_prefix(folder).unwrap().with_extension("");
    let names: Module = relative.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names == ["lib"] || names == ["main"] { Vec::new() } else { names }
}

/// The items of the `use` lines of a file, each as its segments: `use crate::{a, b::c};` has `crate::a` and
/// `crate::b::c`.
fn used_paths(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for statement in code.split(';') {
        let words = statement.trim_start_matches(|c: char| c.is_whitespace() || c == '}');
        let used = words.lines().map(str::trim).skip_while(|line| !line.contains("use ")).collect::<Vec<_>>().join(" ");
        if let Some((before, tree)) = used.split_once("use ")
            && (before.is_empty() || before.starts_with("pub"))
        {
            expand(&[], tree, &mut paths);
        }
    }
    paths
}

fn expand(prefix: &[String], tree: &str, paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap();
        let segments = name.split("::").map(|segment| segment.trim().to_owned());
        paths.push(prefix.iter().cloned().chain(segments).collect());
        return;
    };
    let segments = head.split("::").map(str::trim).filter(|segment| !segment.is_empty()).map(str::to_owned);
    let prefix: Vec<String> = prefix.iter().cloned().chain(segments).collect();
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (index, character) in group.char_indices().chain([(group.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[start..index].trim().is_empty() {
                    expand(&prefix, &group[start..index], paths);
                }
                start = index + 1;
            }
            _ => {}
        }
    }
}

/// Which module a path of a `use` line leads to: the longest prefix that is a module of the crate.
fn target(module: &Module, path: &[String], modules: &BTreeSet<Module>, exported: &BTreeMap<String, Module>) -> Module {
    let mut absolute: Module = match path[0].as_str() {
        "crate" => path[1..].to_vec(),
        "super" => module[..module.len().saturating_sub(1)].iter().chain(&path[1..]).cloned().collect(),
        "self" => module.iter().chain(&path[1..]).cloned().collect(),
        _ => module.iter().chain(path).cloned().collect(),
    };
    if let Some(place) = absolute.first().and_then(|name| exported.get(name)) {
        absolute = place.iter().chain(&absolute[1..]).cloned().collect();
    }
    while !absolute.is_empty() && !modules.contains(&absolute) {
        absolute.pop();
    }
    absolute
}

/// The modules of a crate, each with those that it uses. A module and the modules inside it count as one unit: uses
/// between them are left out.
fn uses(folder: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let files = sources(folder);
    let modules: BTreeSet<Module> = files.iter().map(|(file, _)| module_of(folder, file)).collect();
    // `pub use users::{batch, ..}` in the root makes `crate::batch` a second path of `crate::users::batch`.
    let mut exported = BTreeMap::new();
    for (_, code) in files.iter().filter(|(file, _)| module_of(folder, file).is_empty()) {
        for path in used_paths(code).into_iter().filter(|path| modules.contains(path)) {
            exported.insert(path.last().unwrap().clone(), path);
        }
    }
    let related = |a: &Module, b: &Module| a.starts_with(b) || b.starts_with(a);
    files
        .iter()
        .map(|(file, code)| {
            let module = module_of(folder, file);
            let targets = used_paths(code).into_iter().map(|path| target(&module, &path, &modules, &exported));
            let targets = targets.filter(|target| !related(&module, target)).collect();
            (module, targets)
        })
        .collect()
}

/// A chain of modules that leads back to its first one, if there is one.
fn cycle(graph: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<String>> {
    fn visit(
        graph: &BTreeMap<Module, BTreeSet<Module>>,
        module: &Module,
        path: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|visited| visited == module) {
            return Some(path[start..].iter().map(|module| module.join("::")).collect());
        }
        if !done.insert(module.clone()) {
            return None;
        }
        path.push(module.clone());
        let found = graph.get(module).into_iter().flatten().find_map(|next| visit(graph, next, path, done));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|module| visit(graph, module, &mut Vec::new(), &mut done))
}

#[test]
fn no_crate_has_a_cycle_of_modules() {
    let mut edges = 0;
    for folder in source_folders() {
        let graph = uses(&folder);
        edges += graph.values().map(BTreeSet::len).sum::<usize>();
        assert_eq!(cycle(&graph), None, "in {}", folder.display());
    }
    assert!(edges > 100, "only {edges} uses were found: the test no longer reads the sources");
}

#[test]
fn a_cycle_of_modules_is_found() {
    let module = |name: &str| vec![name.to_owned()];
    let graph = BTreeMap::from([
        (module("a"), BTreeSet::from([module("b")])),
        (module("b"), BTreeSet::from([module("c")])),
        (module("c"), BTreeSet::from([module("b")])),
    ]);
    assert_eq!(cycle(&graph), Some(vec!["b".to_owned(), "c".to_owned()]));
    let code = "//! Text.\n\nmod x;\n\nuse crate::{a, b::{c, d as e}};\npub use super::f;\nfn g() {}\n";
    let paths: Vec<String> = used_paths(code).iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["crate::a", "crate::b::c", "crate::b::d", "super::f"]);
}

/// A store needs to know how rows identify users and which fields they set. Only the services know the API.
#[test]
fn stores_and_http_conventions_know_no_dialect() {
    for name in ["postgres", "sqlite", "http"] {
        for (file, code) in sources(&Path::new(ROOT).join("shared").join(name).join("src")) {
            for word in ["Dialect", ".dialect()"] {
                assert!(!code.contains(word), "{} names {word}", file.display());
            }
        }
    }
}

/// A comparison would silently take the other branch for a third dialect. A `match` does not compile until it handles
/// the third one.
#[test]
fn no_code_compares_dialects() {
    for folder in source_folders() {
        for (file, code) in sources(&folder) {
            for line in code.lines() {
                let compares = line.contains("== Dialect::")
                    || line.contains("!= Dialect::")
                    || (line.contains("matches!(") && line.contains("Dialect::"))
                    || line.contains("dialect ==")
                    || line.contains("dialect !=");
                assert!(!compares, "{} compares a dialect: {line}", file.display());
            }
        }
    }
}
