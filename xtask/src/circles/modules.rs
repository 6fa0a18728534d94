//! The module tree of one crate, and which names each file imports from which other file.
//!
//! A name counts for the file that its path leads to. For other files, `foo.rs` and the files below
//! `foo/` are one module. Therefore, a child's import from a file above it is not an arrow, and
//! neither is a parent's re-export from below it. If a child imports a name through a file above
//! it, the name counts for the file from which that one imports it.
//! has it from.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Import, Source};

/// The names that one file imports from another, by the pair of files.
pub(super) type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// A crate's modules, the root first.
#[derive(Debug, Default)]
pub(super) struct Modules(Vec<Module>);

#[derive(Debug)]
struct Module {
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    source: Source,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Target<'a> {
    Module(usize),
    /// An item of this module, by name.
    Item(usize, &'a str),
}

impl Modules {
    /// Reads a crate from its root file. `read` returns the text of a file that exists.
    pub(super) fn load(root: &str, read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut modules = Self::default();
        if let Some(text) = read(root) {
            let directory = root.rsplit_once('/').map_or("", |(directory, _)| directory);
            modules.add(root, directory, None, &text, read);
        }
        modules
    }

    fn add(
        &mut self,
        file: &str,
        directory: &str,
        parent: Option<usize>,
        text: &str,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> usize {
        let own = self.0.len();
        let source = Source::read(text);
        let names = source.children.clone();
        self.0.push(Module {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            source,
        });
        for name in names {
            let below = format!("{directory}/{name}");
            let file = format!("{below}.rs");
            if let Some(text) = read(&file) {
                let child = self.add(&file, &below, Some(own), &text, read);
                self.0[own].children.insert(name, child);
            }
        }
        own
    }

    /// Which file imports which names from which file.
    pub(super) fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (own, module) in self.0.iter().enumerate() {
            let imports = module.source.imports.iter();
            let imported = imports.filter_map(|import| self.imported(own, import));
            let paths = module.source.paths.iter();
            let named = paths.filter_map(|path| self.named(own, path));
            for (home, name) in imported.chain(named) {
                let (home, name) = self.through_ancestors(own, home, name);
                if home != own && !self.is_below(own, home) {
                    let files = (module.file.clone(), self.0[home].file.clone());
                    arrows.entry(files).or_default().insert(name.to_owned());
                }
            }
        }
        arrows
    }

    fn imported<'a>(&self, own: usize, import: &'a Import) -> Option<(usize, &'a str)> {
        let (home, name) = match self.resolve(own, &import.path)? {
            Target::Item(home, name) => (home, name),
            Target::Module(home) if import.name == "*" => (home, "*"),
            // The paths that begin with this module show what is imported from it.
            Target::Module(_) => return None,
        };
        let hands_on = import.is_reexport && self.is_below(home, own);
        (!hands_on).then_some((home, name))
    }

    fn named<'a>(&'a self, own: usize, path: &'a [String]) -> Option<(usize, &'a str)> {
        let import = self.0[own].import(&path[0]);
        let target = match import.and_then(|import| self.resolve(own, &import.path)) {
            Some(Target::Module(module)) => self.walk(module, &path[1..]),
            // The import itself was counted already.
            Some(Target::Item(..)) => return None,
            None => self.resolve(own, path)?,
        };
        match target {
            Target::Item(home, name) => Some((home, name)),
            Target::Module(_) => None,
        }
    }

    /// The origin of a name in a file above `own`, if that file only imports it.
    fn through_ancestors<'a>(&'a self, own: usize, home: usize, name: &'a str) -> (usize, &'a str) {
        let import = self.0[home]
            .import(name)
            .filter(|_| self.is_below(own, home));
        match import.and_then(|import| self.resolve(home, &import.path)) {
            Some(Target::Item(next, name)) if next != home => {
                self.through_ancestors(own, next, name)
            }
            _ => (home, name),
        }
    }

    fn is_below(&self, module: usize, ancestor: usize) -> bool {
        let mut above = self.0[module].parent;
        while let Some(parent) = above {
            if parent == ancestor {
                return true;
            }
            above = self.0[parent].parent;
        }
        false
    }

    /// Follows a path that begins with `crate`, `self`, `super` or a child of module `own`.
    fn resolve<'a>(&self, own: usize, path: &'a [String]) -> Option<Target<'a>> {
        let (first, rest) = path.split_first()?;
        let begin = match first.as_str() {
            "crate" => 0,
            "self" => own,
            "super" => self.0[own].parent?,
            name => *self.0[own].children.get(name)?,
        };
        Some(self.walk(begin, rest))
    }

    fn walk<'a>(&self, module: usize, path: &'a [String]) -> Target<'a> {
        let Some((first, rest)) = path.split_first() else {
            return Target::Module(module);
        };
        let next = match first.as_str() {
            "super" => self.0[module].parent,
            name => self.0[module].children.get(name).copied(),
        };
        match next {
            Some(next) => self.walk(next, rest),
            None => Target::Item(module, first),
        }
    }
}

impl Module {
    fn import(&self, name: &str) -> Option<&Import> {
        let mut imports = self.source.imports.iter();
        imports.find(|import| import.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrows of a crate with these file names and texts, as `from>to:names`.
    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let read = |path: &str| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        let arrows = Modules::load("s/lib.rs", &read).arrows();
        let shown = arrows.iter().map(|((from, to), names)| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let short = |file: &str| file.trim_start_matches("s/").replace(".rs", "");
            format!("{}>{}:{}", short(from), short(to), names.join(","))
        });
        shown.collect()
    }

    #[test]
    fn a_name_counts_for_the_file_that_its_path_leads_to() {
        let files = [
            ("s/lib.rs", "mod a; mod b;"),
            (
                "s/a.rs",
                "mod c; pub use c::C; use crate::b; fn f() -> b::B {}",
            ),
            ("s/a/c.rs", "use super::super::b::B; pub struct C;"),
            (
                "s/b.rs",
                "use crate::a::{C, c::D}; use std::fmt; pub struct B; fn f() { fmt::g() }",
            ),
        ];
        assert_eq!(arrows(&files), ["a>b:B", "a/c>b:B", "b>a:C", "b>a/c:D"]);
    }

    #[test]
    fn what_a_child_takes_through_a_file_above_it_comes_from_its_home() {
        let files = [
            ("s/lib.rs", "mod a; mod b; pub use a::A; use b::B;"),
            ("s/a.rs", "use crate::B; pub struct A;"),
            ("s/b.rs", "use super::A; pub struct B;"),
        ];
        assert_eq!(arrows(&files), ["a>b:B", "b>a:A", "lib>b:B"]);
    }

    #[test]
    fn a_parent_depends_on_its_child_if_it_uses_it_and_never_the_other_way() {
        for (parent, expected) in [
            ("mod c; pub use c::C; struct P;", &[][..]),
            ("mod c; use c::C; struct P;", &["a>a/c:C"]),
            ("mod c; struct P; fn f() { c::C::new() }", &["a>a/c:C"]),
            ("mod c; pub use c::*; struct P;", &[]),
        ] {
            let files = [
                ("s/lib.rs", "mod a;"),
                ("s/a.rs", parent),
                ("s/a/c.rs", "use super::P; pub struct C;"),
            ];
            assert_eq!(arrows(&files), expected, "{parent}");
        }
    }
}
