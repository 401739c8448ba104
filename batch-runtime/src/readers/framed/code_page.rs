//! EBCDIC code pages: the character of each byte.

use std::sync::LazyLock;

/// A code page of IBM mainframes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CodePage {
    pub(crate) name: &'static str,
    characters: Box<[char]>,
}

impl CodePage {
    /// Returns the code page with this name: `cp037`, `ibm037`, `037`.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        let name = name.to_ascii_lowercase();
        let number = name.strip_prefix("cp").or_else(|| name.strip_prefix("ibm")).unwrap_or(&name);
        let number = number.trim_start_matches(['-', '0']);
        CODE_PAGES.iter().find(|page| page.name[2..].trim_start_matches('0') == number)
    }

    /// Decodes bytes: every byte is a character.
    pub(crate) fn decode(&self, bytes: &[u8]) -> String {
        bytes.iter().map(|byte| self.characters[usize::from(*byte)]).collect()
    }
}

static CODE_PAGES: LazyLock<[CodePage; 4]> = LazyLock::new(|| {
    TABLES.map(|(name, characters)| CodePage { name, characters: characters.chars().collect() })
});

/// The code pages with their characters, in the order of the bytes.
const TABLES: [(&str, &str); 4] = [
    (
        "cp037",
        "\u{0}\u{1}\u{2}\u{3}\u{9c}\u{9}\u{86}\u{7f}\u{97}\u{8d}\u{8e}\u{b}\u{c}\u{d}\u{e}\u{f}\u{10}\u{11}\u{12}\u{13}\u{9d}\u{85}\u{8}\u{87}\u{18}\u{19}\u{92}\u{8f}\u{1c}\u{1d}\u{1e}\u{1f}\
            \u{80}\u{81}\u{82}\u{83}\u{84}\u{a}\u{17}\u{1b}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{5}\u{6}\u{7}\u{90}\u{91}\u{16}\u{93}\u{94}\u{95}\u{96}\u{4}\u{98}\u{99}\u{9a}\u{9b}\u{14}\u{15}\u{9e}\u{1a}\
            \u{20}\u{a0}âäàáãåçñ¢.<(+|&éêëèíîïìß!$*);¬\
            -/ÂÄÀÁÃÅÇÑ¦,%_>?øÉÊËÈÍÎÏÌ`:#@'=\u{22}\
            Øabcdefghi«»ðýþ±°jklmnopqrªºæ¸Æ¤\
            µ~stuvwxyz¡¿ÐÝÞ®^£¥·©§¶¼½¾[]¯¨´×\
            {ABCDEFGHI\u{ad}ôöòóõ}JKLMNOPQR¹ûüùúÿ\
            \u{5c}÷STUVWXYZ²ÔÖÒÓÕ0123456789³ÛÜÙÚ\u{9f}",
    ),
    (
        "cp273",
        "\u{0}\u{1}\u{2}\u{3}\u{9c}\u{9}\u{86}\u{7f}\u{97}\u{8d}\u{8e}\u{b}\u{c}\u{d}\u{e}\u{f}\u{10}\u{11}\u{12}\u{13}\u{9d}\u{85}\u{8}\u{87}\u{18}\u{19}\u{92}\u{8f}\u{1c}\u{1d}\u{1e}\u{1f}\
            \u{80}\u{81}\u{82}\u{83}\u{84}\u{a}\u{17}\u{1b}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{5}\u{6}\u{7}\u{90}\u{91}\u{16}\u{93}\u{94}\u{95}\u{96}\u{4}\u{98}\u{99}\u{9a}\u{9b}\u{14}\u{15}\u{9e}\u{1a}\
            \u{20}\u{a0}â{àáãåçñÄ.<(+!&éêëèíîïì~Ü$*);^\
            -/Â[ÀÁÃÅÇÑö,%_>?øÉÊËÈÍÎÏÌ`:#§'=\u{22}\
            Øabcdefghi«»ðýþ±°jklmnopqrªºæ¸Æ¤\
            µßstuvwxyz¡¿ÐÝÞ®¢£¥·©@¶¼½¾¬|‾¨´×\
            äABCDEFGHI\u{ad}ô¦òóõüJKLMNOPQR¹û}ùúÿ\
            Ö÷STUVWXYZ²Ô\u{5c}ÒÓÕ0123456789³Û]ÙÚ\u{9f}",
    ),
    (
        "cp500",
        "\u{0}\u{1}\u{2}\u{3}\u{9c}\u{9}\u{86}\u{7f}\u{97}\u{8d}\u{8e}\u{b}\u{c}\u{d}\u{e}\u{f}\u{10}\u{11}\u{12}\u{13}\u{9d}\u{85}\u{8}\u{87}\u{18}\u{19}\u{92}\u{8f}\u{1c}\u{1d}\u{1e}\u{1f}\
            \u{80}\u{81}\u{82}\u{83}\u{84}\u{a}\u{17}\u{1b}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{5}\u{6}\u{7}\u{90}\u{91}\u{16}\u{93}\u{94}\u{95}\u{96}\u{4}\u{98}\u{99}\u{9a}\u{9b}\u{14}\u{15}\u{9e}\u{1a}\
            \u{20}\u{a0}âäàáãåçñ[.<(+!&éêëèíîïìß]$*);^\
            -/ÂÄÀÁÃÅÇÑ¦,%_>?øÉÊËÈÍÎÏÌ`:#@'=\u{22}\
            Øabcdefghi«»ðýþ±°jklmnopqrªºæ¸Æ¤\
            µ~stuvwxyz¡¿ÐÝÞ®¢£¥·©§¶¼½¾¬|¯¨´×\
            {ABCDEFGHI\u{ad}ôöòóõ}JKLMNOPQR¹ûüùúÿ\
            \u{5c}÷STUVWXYZ²ÔÖÒÓÕ0123456789³ÛÜÙÚ\u{9f}",
    ),
    (
        "cp1140",
        "\u{0}\u{1}\u{2}\u{3}\u{9c}\u{9}\u{86}\u{7f}\u{97}\u{8d}\u{8e}\u{b}\u{c}\u{d}\u{e}\u{f}\u{10}\u{11}\u{12}\u{13}\u{9d}\u{85}\u{8}\u{87}\u{18}\u{19}\u{92}\u{8f}\u{1c}\u{1d}\u{1e}\u{1f}\
            \u{80}\u{81}\u{82}\u{83}\u{84}\u{a}\u{17}\u{1b}\u{88}\u{89}\u{8a}\u{8b}\u{8c}\u{5}\u{6}\u{7}\u{90}\u{91}\u{16}\u{93}\u{94}\u{95}\u{96}\u{4}\u{98}\u{99}\u{9a}\u{9b}\u{14}\u{15}\u{9e}\u{1a}\
            \u{20}\u{a0}âäàáãåçñ¢.<(+|&éêëèíîïìß!$*);¬\
            -/ÂÄÀÁÃÅÇÑ¦,%_>?øÉÊËÈÍÎÏÌ`:#@'=\u{22}\
            Øabcdefghi«»ðýþ±°jklmnopqrªºæ¸Æ€\
            µ~stuvwxyz¡¿ÐÝÞ®^£¥·©§¶¼½¾[]¯¨´×\
            {ABCDEFGHI\u{ad}ôöòóõ}JKLMNOPQR¹ûüùúÿ\
            \u{5c}÷STUVWXYZ²ÔÖÒÓÕ0123456789³ÛÜÙÚ\u{9f}",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_page_has_a_character_for_every_byte_and_none_twice() {
        for page in &*CODE_PAGES {
            let mut characters: Vec<char> = page.characters.to_vec();
            assert_eq!(characters.len(), 256, "{}", page.name);
            characters.sort_unstable();
            characters.dedup();
            assert_eq!(characters.len(), 256, "{}", page.name);
        }
    }

    #[test]
    fn bytes_are_decoded_as_on_the_mainframe() {
        let decoded = |name: &str, bytes: &[u8]| CodePage::named(name).unwrap().decode(bytes);
        assert_eq!(decoded("cp037", b"\xC1\x82\x40\xF1\xF2\x4B"), "Ab 12.");
        assert_eq!(decoded("IBM273", b"\xC0\xD0\x6A"), "äüö");
        assert_eq!(decoded("cp1140", b"\x9F"), "€");
        assert_eq!(decoded("cp037", b"\x9F"), "¤");
        assert!(CodePage::named("cp1047").is_none());
    }
}
