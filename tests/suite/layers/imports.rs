//! Which module names which, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMacro, ItemMod, ItemUse, Macro, UseTree};

/// The modules of a crate that are files, by their paths.
pub struct Crate(BTreeMap<ModulePath, Module>);

/// `decision::load`; the crate's root is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModulePath(Vec<String>);

/// That one module names something that another one defines.
#[derive(Clone, Debug)]
pub struct Import {
    pub from: ModulePath,
    pub to: ModulePath,
    /// As it is written.
    path: String,
}

#[derive(Default)]
struct Module {
    /// Imported items by their local name; `None` for items of other crates.
    names: BTreeMap<String, Option<Vec<String>>>,
    /// The macros that it exports, which are named as if they were at the root.
    macros: BTreeSet<String>,
    /// Items named with their path.
    paths: Vec<Vec<String>>,
    children: BTreeSet<String>,
}

impl Crate {
    /// Reads the crate in this folder of the repository.
    pub fn read(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(folder);
        let mut modules = BTreeMap::new();
        read(
            ModulePath::default(),
            &root.join("src/lib.rs"),
            &mut modules,
        );
        assert!(modules.len() > 10, "{folder} has few modules");
        Self(modules)
    }

    pub fn imports(&self) -> impl Iterator<Item = Import> {
        self.0.iter().flat_map(|(from, module)| {
            let used = module.names.values().flatten().chain(&module.paths);
            used.filter_map(|path| {
                let to = self.resolve(path, 0)?;
                (to != *from).then(|| Import {
                    from: from.clone(),
                    to,
                    path: path.join("::"),
                })
            })
        })
    }

    /// The modules that name each other in circles, with what they name there.
    pub fn circles(&self) -> BTreeSet<String> {
        let mut imports: Vec<_> = self.imports().collect();
        // What names nothing is in no circle, nor is what nothing names; without them, others are so.
        loop {
            let before = imports.len();
            let naming: BTreeSet<_> = imports.iter().map(|it| it.from.clone()).collect();
            let named: BTreeSet<_> = imports.iter().map(|it| it.to.clone()).collect();
            imports.retain(|it| naming.contains(&it.to) && named.contains(&it.from));
            if imports.len() == before {
                return imports.iter().map(Import::to_string).collect();
            }
        }
    }

    /// The module that defines what a path from the crate's root names; `use` is seen through.
    fn resolve(&self, path: &[String], depth: usize) -> Option<ModulePath> {
        assert!(depth < 20, "{path:?} leads back to itself");
        let mut at = ModulePath::default();
        for name in path {
            let module = self.0.get(&at)?;
            if module.children.contains(name) {
                at.0.push(name.clone());
            } else if let Some(brought) = module.names.get(name) {
                return self.resolve(brought.as_ref()?, depth + 1);
            } else if at.0.is_empty() {
                let mut modules = self.0.iter();
                let exporting = modules.find(|(_, it)| it.macros.contains(name));
                return exporting.map(|(path, _)| path.clone());
            } else {
                return Some(at);
            }
        }
        Some(at)
    }
}

impl ModulePath {
    /// The module below the root that it is, or is in.
    pub fn top(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

impl fmt::Display for ModulePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("::"))
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} ({})", self.from, self.to, self.path)
    }
}

/// Reads a file and those of the modules that it declares.
fn read(path: ModulePath, file: &Path, modules: &mut BTreeMap<ModulePath, Module>) {
    let text =
        std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed = syn::parse_file(&text).expect("the source is Rust");
    let mut reader = Reader {
        path: &path.0,
        module: Module::default(),
        files: Vec::new(),
    };
    reader.visit_file(&parsed);
    let Reader { module, files, .. } = reader;
    modules.insert(path.clone(), module);
    for (name, given) in files {
        let folder = file.parent().expect("a folder");
        let stem = file.file_stem().expect("a name");
        let inside = match stem.to_str() {
            Some("lib" | "mod") => folder.to_path_buf(),
            _ => folder.join(stem),
        };
        let candidates: [PathBuf; 3] = [
            folder.join(given.unwrap_or_default()),
            inside.join(format!("{name}.rs")),
            inside.join(&name).join("mod.rs"),
        ];
        let found = candidates.iter().find(|it| it.is_file());
        let found =
            found.unwrap_or_else(|| panic!("`{name}` of `{}` is not there", file.display()));
        let mut child = path.clone();
        child.0.push(name);
        read(child, found, modules);
    }
}

/// Collects what a file names, without its tests.
struct Reader<'a> {
    path: &'a [String],
    module: Module,
    /// The modules in files of their own, each with the file that `#[path]` gives.
    files: Vec<(String, Option<String>)>,
}

impl Reader<'_> {
    /// A path from the crate's root on, if it is one within the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut absolute = self.path.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                absolute.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|it| it == "super") {
                    absolute.pop()?;
                    rest = &rest[1..];
                }
            }
            // A child, or another crate.
            first if self.module.children.contains(first) => {}
            _ => return None,
        }
        absolute.extend(rest.iter().cloned());
        Some(absolute)
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.use_tree(&path.tree, prefix);
                prefix.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, prefix);
                }
            }
            UseTree::Name(name) if name.ident == "self" => {
                let name = prefix.last().cloned().unwrap_or_default();
                self.brings(name, prefix.clone());
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                let path = [prefix.as_slice(), std::slice::from_ref(&name)].concat();
                self.brings(name, path);
            }
            UseTree::Rename(rename) => {
                let path = [prefix.as_slice(), &[rename.ident.to_string()]].concat();
                self.brings(rename.rename.to_string(), path);
            }
            UseTree::Glob(_) => self.brings(format!("* of {}", prefix.join("::")), prefix.clone()),
        }
    }

    fn brings(&mut self, name: String, path: Vec<String>) {
        let absolute = self.absolute(&path);
        self.module.names.insert(name, absolute);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_file(&mut self, file: &'ast syn::File) {
        // Children first: paths may begin with them.
        for item in &file.items {
            if let Item::Mod(ItemMod {
                ident,
                content: None,
                attrs,
                ..
            }) = item
                && !is_test(attrs)
            {
                self.module.children.insert(ident.to_string());
                self.files.push((ident.to_string(), given_path(attrs)));
            }
        }
        visit::visit_file(self, file);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.use_tree(&item.tree, &mut Vec::new());
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        let is_exported = item
            .attrs
            .iter()
            .any(|it| it.path().is_ident("macro_export"));
        if let (true, Some(name)) = (is_exported, &item.ident) {
            self.module.macros.insert(name.to_string());
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        // Fields that are there in tests only.
        let is_test = names.iter().any(|name| name == "tests");
        if names.len() > 1
            && !is_test
            && let Some(absolute) = self.absolute(&names)
        {
            self.module.paths.push(absolute);
        }
        visit::visit_path(self, path);
    }

    /// A macro's input is not parsed: only paths from the crate's root are found in it.
    fn visit_macro(&mut self, it: &'ast Macro) {
        let tokens = it.tokens.to_string();
        for (at, _) in tokens.match_indices("crate :: ") {
            if tokens[..at].ends_with("$ ") || tokens[..at].ends_with('$') {
                continue;
            }
            let names = tokens[at..].split(" :: ").take(3).map(|word| {
                let end = word.find(|it: char| !it.is_alphanumeric() && it != '_');
                word[..end.unwrap_or(word.len())].to_owned()
            });
            let names: Vec<_> = names.collect();
            self.module.paths.extend(self.absolute(&names));
        }
        visit::visit_macro(self, it);
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = match &attribute.meta {
            syn::Meta::List(list) => list.tokens.to_string(),
            _ => String::new(),
        };
        attribute.path().is_ident("cfg") && text.contains("test")
    })
}

fn given_path(attributes: &[Attribute]) -> Option<String> {
    let path = attributes.iter().find(|it| it.path().is_ident("path"))?;
    let syn::Meta::NameValue(value) = &path.meta else {
        return None;
    };
    match &value.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}
