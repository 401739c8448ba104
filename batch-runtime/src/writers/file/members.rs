//! Writes the buffer into the file: as it is, or as a gzip member or Zstandard frame.

use std::io::{self, BufReader, Seek as _, SeekFrom, Write as _};

use super::{Compression, FilePosition, State, TransactionalFile, WriteError, cut};

impl TransactionalFile {
    /// Prepares the compression, and refuses one that differs from that of the earlier execution.
    pub(super) fn prepare_compression(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        match from {
            // At most the rename is missing.
            Some(from) if from.finishing => return Ok(()),
            Some(from) => self.refuse_other_compression(from)?,
            None => {}
        }
        self.encoder = match self.compression.map(|compression| compression.encoder(self.level)) {
            None => None,
            Some(Ok(encoder)) => Some(encoder),
            Some(Err(problem)) => {
                return Err(WriteError::Options { path: self.target().to_path_buf(), problem });
            }
        };
        Ok(())
    }

    pub(super) fn refuse_other_compression(&self, position: FilePosition) -> Result<(), WriteError> {
        if position.compression == self.compression || position.length == 0 {
            return Ok(());
        }
        let shown = |compression: Option<Compression>| {
            compression
                .map_or("without compression".to_owned(), |format| format!("with {format} compression"))
        };
        let problem = format!(
            "an earlier execution began the file {}, but its name asks for a file {}; start a new instance (`--next`)",
            shown(position.compression),
            shown(self.compression)
        );
        Err(WriteError::Options { path: self.target().to_path_buf(), problem })
    }

    /// Writes the buffered data into the file.
    pub(super) fn flush(&mut self) -> Result<(), WriteError> {
        if self.buffer.is_empty() && !self.torn { Ok(()) } else { self.write_out(false) }
    }

    /// Turns an empty file into a valid file of its format.
    pub(super) fn complete_members(&mut self) -> Result<(), WriteError> {
        // The file of a partition is joined with others, so it may be empty.
        if self.is_empty() && self.compression.is_some() && !self.is_of_partition() {
            self.write_out(true)?;
        }
        Ok(())
    }

    fn write_out(&mut self, even_if_empty: bool) -> Result<(), WriteError> {
        let failed = |error| WriteError::io("write", &self.part, error);
        let State::Open(file) = &mut self.state else {
            return Err(failed(io::Error::other("it was not opened")));
        };
        let bytes = match &mut self.encoder {
            Some(encoder) if even_if_empty || !self.buffer.is_empty() => {
                encoder.member(&self.buffer).map_err(failed)?
            }
            _ => &self.buffer,
        };
        let cut = if self.torn { cut(file, self.written) } else { Ok(()) };
        match cut.and_then(|()| file.write_all(bytes)) {
            Ok(()) => {
                self.torn = false;
                self.unforced = true;
                self.written += bytes.len() as u64;
                self.buffer.clear();
                Ok(())
            }
            Err(error) => {
                self.torn = true;
                Err(failed(error))
            }
        }
    }

    /// Reads back from the file the data that was buffered at a position.
    pub(super) fn read_back(&mut self, to: FilePosition) -> Result<Vec<u8>, WriteError> {
        let (Some(compression), State::Open(file)) = (self.compression, &mut self.state) else {
            return Ok(Vec::new());
        };
        if to.buffered == 0 {
            return Ok(Vec::new());
        }
        let member = file.seek(SeekFrom::Start(to.length)).map(|_| BufReader::new(&**file));
        let text = member.and_then(|member| compression.decode(member, to.buffered));
        let text = text.map_err(|error| WriteError::io("read again", &self.part, error))?;
        if text.len() as u64 == to.buffered {
            Ok(text)
        } else {
            Err(WriteError::io("read again", &self.part, io::ErrorKind::UnexpectedEof.into()))
        }
    }
}
