//! Decodes the record that was found last into an item.

use super::framing::{CsvFraming, Decoded, Record, record};
use super::header;
use super::item::{CsvItem, Fielded, Lender, Names};
use crate::readers::ReadError;
use crate::readers::columns::Decoder;
use crate::readers::framed::{Decode, Encoding, Framed, RecordPlace};
use crate::readers::lent::{Lending, Parts};

pub(super) struct CsvDecoder {
    pub(super) columns: Decoder,
    pub(super) flexible: bool,
    decoded: Decoded,
    pub(super) lending: Lending,
}

impl CsvDecoder {
    pub(super) fn new(columns: Decoder, flexible: bool) -> Self {
        Self { columns, flexible, decoded: Decoded::default(), lending: Lending::default() }
    }
}

impl<T: CsvItem> Decode<CsvFraming, T> for CsvDecoder {
    /// Refuses a header that does not fit the item.
    #[cold]
    fn check(&self, records: &Framed<CsvFraming>) -> Result<(), ReadError> {
        if self.columns.has_header()
            && let Some(misfit) = T::misfit(Names(&self.columns))
        {
            let problem = header::misfit(&misfit, &self.columns).into();
            return Err(ReadError::Header { resource: records.resource(), problem });
        }
        Ok(())
    }

    #[inline]
    fn decode(&mut self, records: &mut Framed<CsvFraming>, puts_back: bool) -> Result<Option<T>, ReadError> {
        let encoding = records.encoding;
        records.know_text();
        let (record, columns) = (record(records), records.framing.columns);
        let fields = record.ends.len();
        if columns != Some(fields)
            && !self.flexible
            && let Some(expected) = columns
        {
            return Err(record.has_other_columns(records.resource(), expected));
        }
        let values = match record.fields(&mut self.decoded) {
            Ok(values) => values,
            Err((column, error)) => {
                return Err(record.refused(records.resource(), column, self.columns.name(column), &error));
            }
        };
        let Record { line, byte, .. } = record;
        let place = RecordPlace { resource: records.input.source.resource(), line, byte };
        let is_whole = columns == Some(fields);
        // A lent record keeps its own text for reports; the text of any other record is still in the buffer.
        let found = &records.found;
        let differs = T::IS_LENT && (found.record.unquoted || encoding != Encoding::Utf8);
        let raw = if differs { &records.input.bytes()[found.start..found.end] } else { &[] };
        let parts = Parts { fields: &values, raw, place, is_whole };
        let (decoder, lending) = (&mut self.columns, &mut self.lending);
        match T::decode(Fielded { parts, decoder, lending, encoding }) {
            Ok(item) => {
                if columns.is_none() && !self.flexible {
                    // Without a header, the first record that is an item determines the number of columns.
                    records.framing.columns = Some(fields);
                }
                Ok(Some(item))
            }
            Err(refused) => {
                let lacks = |name: &str| header::lacks(name, &self.columns);
                let error = self.columns.refused(&place, &values, is_whole, &refused, lacks);
                if puts_back && !error.is_about_a_record() {
                    records.put_back();
                }
                Err(error)
            }
        }
    }

    #[inline]
    fn recycle(&mut self, item: T) {
        item.give_back(Lender(&mut self.lending));
    }

    fn another(&self) -> Self {
        Self::new(self.columns.clone(), self.flexible)
    }
}
