//! Which repositories an integration takes, and how our config says it.

use std::collections::BTreeSet;

use super::pattern::Globs;

/// Which repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// Project and slug, each a glob or `*`; empty: all.
    include: BTreeSet<(String, String)>,
    exclude: BTreeSet<String>,
    /// A personal project (`~user`) is named.
    personal: bool,
}

/// How the config says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filters {
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub projects: Vec<String>,
}

const ALL: &str = "*";

impl Selection {
    /// Repositories that hold for one of the slugs in one of the projects; no slug, no project: all.
    pub fn of(projects: &[String], slugs: &[String]) -> Self {
        let all = [ALL.to_owned()];
        let or_all = |globs: &'_ [String]| if globs.is_empty() { all.to_vec() } else { globs.to_vec() };
        let slugs = or_all(slugs);
        let pairs = or_all(projects)
            .into_iter()
            .flat_map(|project| slugs.iter().map(move |slug| (project.clone(), slug.clone())).collect::<Vec<_>>());
        let mut selection = Self {
            include: pairs.collect(),
            exclude: BTreeSet::new(),
            personal: projects.iter().any(|project| is_personal(project)),
        };
        selection.tidy();
        selection
    }

    /// From filters that hold together.
    pub fn of_globs(projects: &Globs, slugs: &Globs) -> Self {
        let mut selection = Self::of(&projects.include, &slugs.include);
        let of_projects = projects.exclude.iter().map(|glob| format!("{glob}/{ALL}"));
        selection.exclude = of_projects.chain(slugs.exclude.iter().cloned()).collect();
        selection
    }

    /// By names, each a slug or `PROJECT/slug`; none: all.
    pub fn of_names(names: &[(Option<String>, String)]) -> Self {
        let pair = |(project, slug): &(Option<String>, String)| {
            (project.clone().unwrap_or_else(|| ALL.to_owned()), slug.clone())
        };
        let include: BTreeSet<(String, String)> = names.iter().map(pair).collect();
        let personal = include.iter().any(|(project, _)| is_personal(project));
        Self { include, exclude: BTreeSet::new(), personal }
    }

    /// Whether a personal project is named.
    pub fn names_personal(&self) -> bool {
        self.personal
    }

    /// Whether it holds for repositories of personal projects that nobody named, once personal ones are taken at all.
    pub fn holds_for_any_personal(&self) -> bool {
        self.include.is_empty() || self.include.iter().any(|(project, _)| project.starts_with(['*', '?']))
    }

    fn tidy(&mut self) {
        if self.include.contains(&(ALL.to_owned(), ALL.to_owned())) {
            self.include.clear();
        }
    }

    /// The same within one project.
    pub fn within(mut self, project: &str) -> Self {
        if self.include.is_empty() {
            self.include.insert((ALL.to_owned(), ALL.to_owned()));
        }
        self.include = self.include.into_iter().map(|(_, slug)| (project.to_owned(), slug)).collect();
        self.personal = is_personal(project);
        self
    }

    /// What either holds. `false`: something is taken in that neither held, because what one leaves out could not be
    /// said of both.
    pub fn join(&mut self, other: Self) -> bool {
        self.personal |= other.personal;
        let is_same = self.exclude == other.exclude;
        if !is_same {
            self.exclude.clear();
        }
        if self.include.is_empty() || other.include.is_empty() {
            self.include.clear();
        } else {
            self.include.extend(other.include);
        }
        is_same
    }

    /// As the config has it: projects by their keys where that says it, else `PROJECT/slug`.
    pub fn filters(&self) -> Filters {
        let exclude: Vec<String> = self.exclude.iter().cloned().collect();
        let projects: BTreeSet<&String> = self.include.iter().map(|(project, _)| project).collect();
        let slugs: BTreeSet<&String> = self.include.iter().map(|(_, slug)| slug).collect();
        let owned = |globs: &BTreeSet<&String>| globs.iter().map(|glob| (*glob).clone()).collect::<Vec<_>>();
        let is_plain = |text: &&String| !text.contains(['*', '?', '[']);
        let every_pair = projects.len() * slugs.len() == self.include.len();
        let any = |globs: &BTreeSet<&String>| globs.iter().any(|glob| *glob == ALL);
        if every_pair && projects.iter().all(is_plain) {
            let include = if any(&slugs) { Vec::new() } else { owned(&slugs) };
            return Filters { include, exclude, projects: owned(&projects) };
        }
        if projects.len() == 1 && any(&projects) {
            return Filters { include: owned(&slugs), exclude, projects: Vec::new() };
        }
        let include = self.include.iter().map(|(project, slug)| match project.as_str() {
            ALL => slug.clone(),
            project => format!("{project}/{slug}"),
        });
        Filters { include: include.collect(), exclude, projects: Vec::new() }
    }
}

/// Whether the key of a project is of a personal one.
pub(super) fn is_personal(project: &str) -> bool {
    project.starts_with('~')
}
