//! Habits of the code that CONTRIBUTING.md rules out, in all that is not a test.

use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprClosure, Ident, ItemMod, Local, Macro, Pat, Stmt};

use crate::support::sources::{parsed, root, rust_files};

const FOLDERS: [&str; 16] = [
    "cqrs-core",
    "cqrs-macros",
    "adapters/cli",
    "adapters/client",
    "adapters/conformance",
    "adapters/http",
    "adapters/kit",
    "adapters/map",
    "adapters/metrics",
    "adapters/openapi",
    "adapters/ops",
    "adapters/otel",
    "adapters/postgres",
    "adapters/sqlite",
    "adapters/umadb",
    "example-catalog",
];

#[test]
fn no_name_is_bound_again_by_the_next_statement() {
    let found = find(|block| {
        let pairs = block.stmts.windows(2);
        let pairs = pairs.filter_map(|pair| {
            let (first, second) = (bound(&pair[0])?, bound(&pair[1])?);
            (first.0 == second.0).then(|| first.0.to_string())
        });
        pairs.collect()
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_closure_has_a_name_for_one_use() {
    let found = find(|block| {
        let mut once = Vec::new();
        for (place, statement) in block.stmts.iter().enumerate() {
            if let Some((name, Expr::Closure(_))) = bound(statement) {
                let mut uses = Uses { name, count: 0 };
                block.stmts[place + 1..]
                    .iter()
                    .for_each(|later| uses.visit_stmt(later));
                if uses.count == 1 {
                    once.push(name.to_string());
                }
            }
        }
        once
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// The names that `habit` finds in any block, with their files.
fn find(habit: impl Fn(&Block) -> Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut files = 0;
    for file in FOLDERS
        .iter()
        .flat_map(|it| rust_files(&root().join(it).join("src")))
    {
        files += 1;
        let mut blocks = Blocks {
            habit: &habit,
            found: Vec::new(),
        };
        blocks.visit_file(&parsed(&file));
        let shown = shown(&file);
        found.extend(blocks.found.into_iter().map(|it| format!("{shown}: {it}")));
    }
    assert!(files > 200, "not all are found");
    found
}

fn shown(file: &Path) -> String {
    let file = file.strip_prefix(root()).expect("is below the root");
    file.display().to_string()
}

/// The name that a `let` binds, and its value.
fn bound(statement: &Stmt) -> Option<(&Ident, &Expr)> {
    let Stmt::Local(Local {
        pat,
        init: Some(init),
        ..
    }) = statement
    else {
        return None;
    };
    let pat = match pat {
        Pat::Type(typed) => &*typed.pat,
        pat => pat,
    };
    match pat {
        Pat::Ident(name) => Some((&name.ident, &init.expr)),
        _ => None,
    }
}

/// Looks at every block but those of tests.
struct Blocks<'h, H> {
    habit: &'h H,
    found: Vec<String>,
}

impl<'ast, H: Fn(&Block) -> Vec<String>> Visit<'ast> for Blocks<'_, H> {
    fn visit_block(&mut self, block: &'ast Block) {
        self.found.extend((self.habit)(block));
        visit::visit_block(self, block);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !module.attrs.iter().any(|attr| attr.path().is_ident("cfg")) {
            visit::visit_item_mod(self, module);
        }
    }
}

/// Counts the uses of a name.
struct Uses<'n> {
    name: &'n Ident,
    count: usize,
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.count += usize::from(ident == self.name);
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        let name = self.name.to_string();
        let tokens = invocation.tokens.to_string();
        let words = tokens.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        self.count += words.filter(|word| *word == name).count();
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        // What a closure calls may run many times.
        let before = self.count;
        visit::visit_expr_closure(self, closure);
        if self.count > before {
            self.count = before + 2;
        }
    }
}
