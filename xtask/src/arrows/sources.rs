//! The paths that a crate's sources name, with the module and line that name them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Macro, Meta, UseTree};

/// One path that a source names.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    /// The module it stands in; empty for the crate's root.
    pub(super) module: Vec<String>,
    pub(super) target: Target,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Target {
    /// A path from the root of the same crate; empty for all of it (`crate::*`).
    Own(Vec<String>),
    /// Any other path, as written: of another crate, or relative.
    Foreign(Vec<String>),
}

/// All uses of a crate, from its `lib.rs` through its modules; what is compiled only for tests is left out.
pub(super) fn crate_uses(root: &Path) -> Result<Vec<Use>> {
    let mut uses = Vec::new();
    let mut files = vec![(root.to_owned(), Vec::new())];
    while let Some((file, module)) = files.pop() {
        let source =
            fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))?;
        let mut walk = walk(&file, &module, &source)?;
        uses.append(&mut walk.uses);
        for child in walk.children {
            files.push((file_of(&file, &module, &child)?, child));
        }
    }
    Ok(uses)
}

/// The uses in one source.
#[cfg(test)]
pub(super) fn uses(file: &Path, module: &[String], source: &str) -> Result<Vec<Use>> {
    Ok(walk(file, module, source)?.uses)
}

fn walk(file: &Path, module: &[String], source: &str) -> Result<Walk> {
    let parsed =
        syn::parse_file(source).with_context(|| format!("can't parse {}", file.display()))?;
    let mut walk = Walk {
        file: file.to_owned(),
        module: module.to_vec(),
        uses: Vec::new(),
        children: Vec::new(),
    };
    walk.visit_file(&parsed);
    Ok(walk)
}

/// The file of the module `child`, declared in `parent`, which is the file of `module`.
fn file_of(parent: &Path, module: &[String], child: &[String]) -> Result<PathBuf> {
    let stem = parent.file_stem().unwrap_or_default();
    let mut folder = parent.with_file_name("");
    if !["lib", "main", "mod"].iter().any(|name| stem == *name) {
        folder.push(stem);
    }
    // Modules written in the file itself add folders of their names.
    folder.extend(child.get(module.len()..).unwrap_or_default());
    for file in [folder.with_extension("rs"), folder.join("mod.rs")] {
        if file.is_file() {
            return Ok(file);
        }
    }
    bail!(
        "the module {} has no file at {}",
        child.join("::"),
        folder.display()
    );
}

struct Walk {
    file: PathBuf,
    module: Vec<String>,
    uses: Vec<Use>,
    /// Modules that are declared here and have a file of their own.
    children: Vec<Vec<String>>,
}

impl Walk {
    fn note(&mut self, line: usize, path: &[String]) {
        let target = match path.first().map(String::as_str) {
            Some("crate") => Target::Own(path.iter().skip(1).cloned().collect()),
            Some("super" | "self") => self.resolve(path),
            Some(_) => Target::Foreign(path.to_vec()),
            None => return,
        };
        self.uses.push(Use {
            file: self.file.clone(),
            line,
            module: self.module.clone(),
            target,
        });
    }

    fn resolve(&self, path: &[String]) -> Target {
        let mut resolved = self.module.clone();
        for segment in path {
            match segment.as_str() {
                "self" => {}
                "super" => drop(resolved.pop()),
                name => resolved.push(name.to_owned()),
            }
        }
        Target::Own(resolved)
    }

    fn note_tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.note_tree(&path.tree, prefix);
                prefix.pop();
            }
            UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|item| self.note_tree(item, prefix)),
            UseTree::Glob(glob) => self.note(glob.star_token.span().start().line, prefix),
            UseTree::Name(name) => self.note_leaf(&name.ident, prefix),
            UseTree::Rename(rename) => self.note_leaf(&rename.ident, prefix),
        }
    }

    fn note_leaf(&mut self, ident: &proc_macro2::Ident, prefix: &mut Vec<String>) {
        prefix.push(ident.to_string());
        self.note(ident.span().start().line, prefix);
        prefix.pop();
    }

    /// Paths in the arguments or the body of a macro, which are tokens without structure.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.note_rooted(line, &path);
                        path.clear();
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                }
                other => {
                    self.note_rooted(line, &path);
                    path.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.note_tokens(group.stream());
                    }
                }
            }
        }
        self.note_rooted(line, &path);
    }

    /// Among loose tokens only paths with a root are told from other names.
    fn note_rooted(&mut self, line: usize, path: &[String]) {
        let is_rooted = matches!(
            path.first().map(String::as_str),
            Some("crate" | "super" | "memlet")
        );
        if is_rooted && path.len() > 1 {
            self.note(line, path);
        }
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_only_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        if item.content.is_none() {
            self.children.push(self.module.clone());
        }
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if segments.len() > 1 {
            self.note(path.span().start().line, &segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.note_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {
        // Documentation links and lints are no uses.
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an item has `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn is_only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else {
            return false;
        };
        list.path.is_ident("cfg") && requires_test(list.tokens.clone())
    })
}

fn requires_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(name), TokenTree::Group(group)] if name == "all" => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner
                .split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
                .any(|part| requires_test(part.iter().cloned().collect()))
        }
        _ => false,
    }
}
