//! Server-sent events, as the reader sees them.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>, "Interpreting an event stream".

/// More than this without the end of a line is no stream of ours: an envelope is a webhook's item with a little around it.
const LONGEST: usize = 8 * 1024 * 1024;

/// A message of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// `event`; empty if there was none.
    pub(super) name: String,
    /// `data`, its lines joined.
    pub(super) data: String,
}

/// Reads a stream that comes in pieces, cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Reader {
    rest: Vec<u8>,
    name: String,
    data: Option<String>,
    last_id: Option<String>,
}

/// The stream is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no stream of events")]
pub(super) struct NoStream;

impl Reader {
    /// The last `id` that came: what a reader that comes back sends as `Last-Event-ID`.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// A connection was lost: what was begun is forgotten, the last id is not.
    pub(super) fn reconnected(&mut self) {
        self.rest.clear();
        self.name.clear();
        self.data = None;
    }

    /// Takes a piece and gives back the messages that it completes.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Vec<Message>, NoStream> {
        self.rest.extend_from_slice(piece);
        let mut messages = Vec::new();
        let mut start = 0;
        while let Some(length) = self.rest[start..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[start..start + length]).into_owned();
            messages.extend(self.line(line.strip_suffix('\r').unwrap_or(&line)));
            start += length + 1;
        }
        self.rest.drain(..start);
        let held = self.rest.len() + self.data.as_ref().map_or(0, String::len);
        if held > LONGEST {
            return Err(NoStream);
        }
        Ok(messages)
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            return self.data.take().map(|data| Message { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // An id with NUL is ignored, as the specification wants it.
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            // A comment keeps the connection alive; other fields are for browsers.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nid: 1\nevent: leads.add\ndata: {\"a\":\ndata: 1}\n\nid: 2\n\n\
                          event: leads.add\r\ndata:ж\r\n\r\ndata\n\nid: 3\ndata: begun";

    #[test]
    fn a_stream_means_the_same_however_it_is_cut() {
        let message = |name: &str, data: &str| Message {
            name: name.to_owned(),
            data: data.to_owned(),
        };
        let expected = vec![
            message("leads.add", "{\"a\":\n1}"),
            message("leads.add", "ж"),
            message("", ""),
        ];
        for size in 1..STREAM.len() {
            let mut reader = Reader::default();
            let mut messages = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                messages.extend(reader.push(piece).unwrap());
            }
            assert_eq!(messages, expected, "in pieces of {size}");
            assert_eq!(reader.last_id(), Some("3"));
            reader.reconnected();
            assert_eq!(reader.push(b"data: new\n\n").unwrap(), [message("", "new")]);
            assert_eq!(reader.last_id(), Some("3"));
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let mut reader = Reader::default();
        let piece = vec![b'x'; 1024 * 1024];
        assert!((0..20).any(|_| reader.push(&piece).is_err()));
    }
}
