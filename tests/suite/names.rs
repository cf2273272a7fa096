//! The public names of the core, and that no type's name stands for two things.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, UseTree, Visibility};

use crate::support::sources::{parsed, root, rust_files};

/// Maximum number of public names of the core, for programs and for authors of stores. Each item of
/// the core that has a path without `__private` and `__kit` counts once, regardless of the number of
/// paths. A derive and the trait of its name are one. Modules and `testing` do not count.
///
/// For programs: 19 in `domain`, 59 in `app` (40 to build, call and operate, 6 for authorization, 11 for the model
/// and the wiring, 2 for traces), 15 errors, 10 for read models, 10 macros, and `Memory`, `Position` and `Recorded`. Half
/// of those in `app` are types of results, which programs read and need not name.
///
/// For authors of stores: 24 for a log, 10 for its capabilities, 15 for a view store, 16 for the shards of
/// subscriptions, 8 for versions of projections, 4 for transactions and readers, 3 for statements of handlers.
const NAMES_FOR_PROGRAMS: usize = 116;
const NAMES_FOR_STORES: usize = 83;

/// Crates whose types are named apart from each other.
const FRAMEWORK: [&str; 4] = [
    "cqrs-core",
    "cqrs-macros",
    "adapters/kit",
    "adapters/conformance",
];

/// Crates whose types are named apart from those of the framework, and from each other but for
/// [`COUNTERPARTS`].
const ADAPTERS: [&str; 3] = ["adapters/sqlite", "adapters/postgres", "adapters/umadb"];

/// The names that several adapters have, each for its own database: the same part of a store has the
/// same name.
const COUNTERPARTS: [&str; 20] = [
    "Batch",
    "ConnectError",
    "Connection",
    "Engine",
    "Fault",
    "Head",
    "HeadNotifier",
    "Kind",
    "KnownLog",
    "Landmark",
    "Link",
    "Options",
    "Parameter",
    "Request",
    "Shared",
    "SqlReader",
    "SqlWrites",
    "Table",
    "Transaction",
    "Writer",
];

/// A user's crate, whose types are named apart from those of the framework only.
const CATALOG: &str = "example-catalog";

#[test]
fn the_core_has_few_public_names() {
    let source = root().join("cqrs-core/src");
    let mut store = BTreeSet::new();
    public_names(
        &source.join("store/mod.rs"),
        &source.join("store"),
        &mut store,
    );
    let mut names = BTreeSet::new();
    public_names(&source.join("lib.rs"), &source, &mut names);
    for file in rust_files(&source) {
        names.extend(exported_macros(&file));
    }
    // What programs name as well is counted with them.
    let lib = parsed(&source.join("lib.rs"));
    let mut root = BTreeSet::new();
    let mut foreign = BTreeSet::new();
    for item in &lib.items {
        own_names(item, &mut root);
        if let Item::Use(it) = item
            && is_foreign(&it.tree)
        {
            used_names(&it.tree, &mut foreign);
        }
    }
    // `prelude` exports them by their path in the core.
    names.retain(|name| !foreign.contains(name));
    let (stores, programs): (BTreeSet<_>, BTreeSet<_>) = names
        .into_iter()
        .partition(|name| store.contains(name) && !root.contains(name));
    for (names, most) in [(programs, NAMES_FOR_PROGRAMS), (stores, NAMES_FOR_STORES)] {
        assert!(names.len() > most / 2, "not all are found: {names:?}");
        assert!(
            names.len() <= most,
            "{} names are public, {most} are enough: {names:#?}",
            names.len()
        );
    }
}

#[test]
fn the_hidden_modules_of_the_core_are_for_expansions_and_the_kit() {
    let folders = [
        "adapters",
        "benches/src",
        "example-catalog",
        "examples",
        "template",
        "tests",
    ];
    let files: Vec<_> = folders
        .iter()
        .flat_map(|it| rust_files(&root().join(it)))
        .collect();
    assert!(files.len() > 300, "not all are found");
    let kit = root().join("adapters/kit");
    for file in files {
        assert!(!mentions(&file, "__private"), "{}", file.display());
        assert!(
            file.starts_with(&kit) || !mentions(&file, "__kit"),
            "{}",
            file.display()
        );
    }
}

/// Whether a file names this module of the core.
fn mentions(file: &Path, module: &str) -> bool {
    let text = fs::read_to_string(file).expect("can be read");
    text.contains(&format!("cqrs_core::{module}"))
}

#[test]
fn no_type_name_stands_for_two_things() {
    for user in [&ADAPTERS[..], &[CATALOG]].concat() {
        let shared = shared_names(&[&FRAMEWORK[..], &[user]].concat());
        assert!(shared.is_empty(), "{shared:#?}");
    }
}

#[test]
fn a_name_in_two_adapters_is_that_of_counterparts() {
    let shared = shared_names(&ADAPTERS);
    let names: Vec<_> = shared.keys().map(String::as_str).collect();
    assert_eq!(names, COUNTERPARTS, "{shared:#?}");
}

/// The types that several files define.
fn shared_names(folders: &[&str]) -> BTreeMap<String, BTreeSet<PathBuf>> {
    let mut places = places(folders);
    assert!(places.len() > 100, "not all are found");
    places.retain(|_, places| places.len() > 1);
    places
}

/// The files that define each type of these folders.
fn places(folders: &[&str]) -> BTreeMap<String, BTreeSet<PathBuf>> {
    let folders = folders.iter().map(|it| root().join(it).join("src"));
    let mut places: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for file in folders.flat_map(|it| rust_files(&it)) {
        for name in type_names(&parsed(&file).items) {
            let place = file.strip_prefix(root()).expect("is below the root");
            places.entry(name).or_default().insert(place.to_path_buf());
        }
    }
    places
}

/// Adds the public items of a module and of its public modules. `folder` has the files of these.
fn public_names(file: &Path, folder: &Path, names: &mut BTreeSet<String>) {
    for item in parsed(file).items {
        match &item {
            Item::Mod(it) if is_public(&it.vis, &it.attrs) && it.ident != "testing" => {
                let inside = folder.join(it.ident.to_string());
                let own = inside.with_extension("rs");
                let file = if own.is_file() {
                    own
                } else {
                    inside.join("mod.rs")
                };
                public_names(&file, &inside, names);
            }
            item => own_names(item, names),
        }
    }
}

/// Adds what an item defines or exports, if it is public.
fn own_names(item: &Item, names: &mut BTreeSet<String>) {
    let (vis, attrs, ident) = match item {
        Item::Const(it) => (&it.vis, &it.attrs, &it.ident),
        Item::Enum(it) => (&it.vis, &it.attrs, &it.ident),
        Item::Fn(it) => (&it.vis, &it.attrs, &it.sig.ident),
        Item::Struct(it) => (&it.vis, &it.attrs, &it.ident),
        Item::Trait(it) => (&it.vis, &it.attrs, &it.ident),
        Item::Type(it) => (&it.vis, &it.attrs, &it.ident),
        Item::Use(it) => {
            if is_public(&it.vis, &it.attrs) && !is_foreign(&it.tree) {
                used_names(&it.tree, names);
            }
            return;
        }
        _ => return,
    };
    if is_public(vis, attrs) {
        names.insert(ident.to_string());
    }
}

/// Whether it exports what another crate defines.
fn is_foreign(tree: &UseTree) -> bool {
    let UseTree::Path(path) = tree else {
        return false;
    };
    ["jiff", "schemars", "serde", "uuid"].contains(&&*path.ident.to_string())
}

fn used_names(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => used_names(&path.tree, names),
        UseTree::Group(group) => group.items.iter().for_each(|it| used_names(it, names)),
        UseTree::Name(name) => drop(names.insert(name.ident.to_string())),
        UseTree::Rename(renamed) => drop(names.insert(renamed.rename.to_string())),
        UseTree::Glob(_) => panic!("name what is public: a glob hides it"),
    }
}

fn exported_macros(file: &Path) -> impl Iterator<Item = String> {
    let items = parsed(file).items.into_iter();
    items.filter_map(|item| match item {
        Item::Macro(it) if !is_hidden(&it.attrs) => {
            let mut attrs = it.attrs.iter();
            let exports = attrs.any(|attr| attr.path().is_ident("macro_export"));
            it.ident.filter(|_| exports).map(|it| it.to_string())
        }
        _ => None,
    })
}

/// The types, traits and aliases of a file, without those of its tests.
fn type_names(items: &[Item]) -> Vec<String> {
    let names = items.iter().flat_map(|item| match item {
        Item::Enum(it) => vec![it.ident.to_string()],
        Item::Struct(it) => vec![it.ident.to_string()],
        Item::Trait(it) => vec![it.ident.to_string()],
        Item::Type(it) => vec![it.ident.to_string()],
        Item::Mod(it) if !it.attrs.iter().any(|attr| attr.path().is_ident("cfg")) => {
            type_names(it.content.as_ref().map_or(&[], |(_, items)| items))
        }
        _ => Vec::new(),
    });
    names.collect()
}

fn is_public(vis: &Visibility, attrs: &[Attribute]) -> bool {
    matches!(vis, Visibility::Public(_)) && !is_hidden(attrs)
}

fn is_hidden(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let arguments = attr.parse_args::<syn::Ident>();
        attr.path().is_ident("doc") && arguments.is_ok_and(|it| it == "hidden")
    })
}
