//! Notes of all entities of a type.

use super::{NewNote, Note, NotePatch};
use crate::client::Client;
use crate::entity::{Create, Get, List, Update, UpdateMany, action};
use crate::id::NoteId;
use crate::request::Operation;

const PIN: Operation = Operation::idempotent("notes.pin");
const UNPIN: Operation = Operation::idempotent("notes.unpin");

/// Notes of all entities of one type: [`Client::notes_of`]. One request where [`Notes`](super::Notes) needs one per
/// entity.
#[derive(Debug, Clone)]
pub struct NotesOf {
    client: Client,
    path: String,
}

impl NotesOf {
    pub(super) fn at(client: &Client, path: String) -> Self {
        Self {
            client: client.clone(),
            path,
        }
    }

    /// Reads the notes. [`Note::entity_id`] tells whose each is.
    pub fn list(&self) -> List<Note> {
        List::new(self.client.clone(), &self.path)
    }

    /// Reads one note.
    pub fn get(&self, id: NoteId) -> Get<Note> {
        Get::new(self.client.clone(), format!("{}/{id}", self.path)).gathered(id.get())
    }

    /// Adds notes, each to its entity: `create([(lead, NewNote::common("…")), …])`.
    pub fn create<I: Into<u64>>(
        &self,
        notes: impl IntoIterator<Item = (I, NewNote)>,
    ) -> Create<Note> {
        let notes = notes.into_iter().map(|(entity, mut note)| {
            note.fields_mut().entity_id = Some(entity.into());
            note
        });
        Create::new(self.client.clone(), &self.path, notes)
    }

    /// Changes a note.
    pub fn update(&self, id: NoteId) -> Update<Note> {
        let path = format!("{}/{id}", self.path);
        Update::new(self.client.clone(), path, NotePatch::new(id)).gathered(true)
    }

    /// Changes many notes.
    pub fn update_many(&self, patches: impl IntoIterator<Item = NotePatch>) -> UpdateMany<Note> {
        UpdateMany::new(self.client.clone(), &self.path, patches)
    }

    /// Pins a note to the top of its feed.
    pub fn pin(&self, id: NoteId) -> PinNote {
        PinNote::at(&self.client, format!("{}/{id}/pin", self.path))
    }

    /// Lets a pinned note go back to its place.
    pub fn unpin(&self, id: NoteId) -> UnpinNote {
        UnpinNote::at(&self.client, format!("{}/{id}/unpin", self.path))
    }
}

action! {
    /// Pins a note.
    pub struct PinNote => (): POST PIN;
}

action! {
    /// Unpins a note.
    pub struct UnpinNote => (): POST UNPIN;
}
