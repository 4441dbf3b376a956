//! A world as a Data Center has it: projects are the namespaces, repositories have numbers, and some things are only there.

use super::Uuid;
use super::world::{PersonId, Repository, World};

impl World {
    /// Adds a project as a Data Center has them: with a namespace of its own for slugs. Repositories are added to it by its
    /// key in the place of a workspace's slug.
    pub fn add_data_center_project(&mut self, key: &str, name: &str) -> Uuid {
        self.add_workspace(key, name);
        self.add_project(key, key, name)
    }

    /// Adds somebody's personal project (Data Center) and says its key: `~` and the user's slug.
    #[track_caller]
    pub fn add_personal_project(&mut self, person: PersonId) -> String {
        let somebody = &self.people[person.0];
        let (key, name) = (format!("~{}", somebody.user_slug()), somebody.name.clone());
        self.add_data_center_project(&key, &name);
        if let Some(project) = self.projects.last_mut() {
            project.owner = Some(person);
        }
        key
    }

    /// Archives a repository, or makes it active again (Data Center).
    #[track_caller]
    pub fn archive_repository(&mut self, repository: &str, archived: bool) {
        self.edit_repository(repository, |it| it.archived = archived);
    }

    /// `KEY/slug`, as a Data Center names it.
    pub fn data_center_name(&self, repository: &Repository) -> String {
        format!("{}/{}", self.projects[repository.project].key, repository.slug)
    }

    /// The number a Data Center knows a repository by: stays, whatever it is called and wherever it lies.
    pub fn number(&self, repository: &Repository) -> u64 {
        self.by_uuid.get(&repository.uuid).map_or(0, |at| *at as u64 + 1)
    }

    /// By key, however it is written; the first of several workspaces' projects.
    pub(super) fn find_project(&self, key: &str) -> Option<usize> {
        self.projects.iter().position(|project| project.key.eq_ignore_ascii_case(key))
    }

    /// By slug within a project.
    pub(super) fn find_in_project(&self, project: usize, slug: &str) -> Option<usize> {
        let at = *self.by_slug.get(&(self.projects[project].workspace, slug.to_lowercase()))?;
        (self.repositories[at].project == project).then_some(at)
    }
}
