//! What `provision` says: a line about each thing, and a sum at the end.

use std::io::Write;

/// Columns of what a line is about.
const WIDTH: usize = 8;

/// Where the lines go, and what was counted.
pub(super) struct Progress<'a> {
    out: &'a mut (dyn Write + Send),
    pub(super) dry_run: bool,
    made: u32,
    to_look_at: u32,
}

impl<'a> Progress<'a> {
    pub(super) fn new(out: &'a mut (dyn Write + Send), dry_run: bool) -> Self {
        Self {
            out,
            dry_run,
            made: 0,
            to_look_at: 0,
        }
    }

    /// Something that is as it should be, or good to know.
    pub(super) fn say(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{what:<WIDTH$} {text}")?;
        self.out.flush()?;
        Ok(())
    }

    /// Something that was made.
    pub(super) fn made(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        self.made += 1;
        self.say(what, &format!("created {text}"))
    }

    /// Something that a run without `--dry-run` makes.
    pub(super) fn would_make(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        self.made += 1;
        self.say(what, &format!("would create {text}"))
    }

    /// Something that a person has to decide, because nothing that is there is changed.
    pub(super) fn look(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        self.to_look_at += 1;
        self.say(what, &format!("! {text}"))
    }

    /// The last line.
    pub(super) fn sum(&mut self) -> anyhow::Result<()> {
        let done = match (self.made, self.dry_run) {
            (0, _) => "everything is there; nothing was changed".to_owned(),
            (made, true) => format!("nothing was changed; to be made: {made}"),
            (made, false) => format!("made: {made}; what was there is as it was"),
        };
        let look = match self.to_look_at {
            0 => String::new(),
            some => format!("; to look at: {some}, marked with !"),
        };
        self.say("done", &format!("{done}{look}"))
    }
}
