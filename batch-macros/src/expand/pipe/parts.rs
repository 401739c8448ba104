//! Places the components of a pipe: names each once, and checks it where it is named.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, ItemFn};

use crate::expand::aggregator::{Aggregated, StepProcessor};
use crate::expand::marked_function::checked;
use crate::expand::partitions::check_support;
use crate::expand::role_aliases::Roles;
use crate::expand::{bindings, role_aliases};
use crate::model::step::StepOptions;
use crate::syntax::step::Part;

/// The components placed so far, and the code generated for them.
pub(super) struct Parts<'f> {
    function: &'f ItemFn,
    pub(super) options: &'f StepOptions,
    /// The aliases of components and items, each with the checks that it depends on.
    pub(super) types: TokenStream,
    /// The users' paths, imported under the names that the aliases refer to.
    pub(super) imports: TokenStream,
    /// The elements of `__COMPONENTS`, and the word of each.
    pub(super) uses: TokenStream,
    spans: Vec<Span>,
    /// Checks that no alias depends on.
    pub(super) constants: TokenStream,
    pub(super) processors: Vec<StepProcessor>,
    /// For each listener, whether it wants to see the item that a processor failed on.
    pub(super) wanting: Vec<TokenStream>,
    pub(super) source: Option<Source>,
    aliases: usize,
    roles: Roles,
}

/// The component whose items go to the next one.
pub(super) struct Source {
    pub(super) role: &'static str,
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) item: Ident,
}

impl Source {
    /// Checks for two misfits: each item is a `Vec` whose elements the next component would take one by one; or
    /// the items are lent, and the next component, at `at`, would keep them.
    fn misfits(&self, role: &str, to: &str, component: &Ident, at: Span) -> Vec<(Span, TokenStream)> {
        let (takes, takes_each) = match role {
            "processor" => (quote!(PROCESSES), quote!(PROCESSES_EACH)),
            "writer" => (quote!(WRITES), quote!(WRITES_EACH)),
            _ => return Vec::new(),
        };
        let Self { role: from, name, span, item } = self;
        let offered = quote!(__wiring::Offered::<#item, #component>);
        let why = quote! {
            __wiring::why_whole(#from, #name, #to, !#offered::#takes && #offered::#takes_each)
        };
        let why_lent = quote! {
            __wiring::why_lent(#name, #role, #to, __wiring::Probe::<#item>::IS_LENT && !#offered::#takes)
        };
        vec![(*span, why), (at, why_lent)]
    }
}

/// One component in its place.
pub(super) struct Placed {
    /// The alias that refers to it if its checks hold.
    pub(super) alias: Ident,
    /// The scope with its bindings.
    pub(super) scope: TokenStream,
}

impl<'f> Parts<'f> {
    pub(super) fn new(function: &'f ItemFn, options: &'f StepOptions) -> Self {
        Self {
            function,
            options,
            types: TokenStream::new(),
            imports: TokenStream::new(),
            uses: TokenStream::new(),
            spans: Vec::new(),
            constants: TokenStream::new(),
            processors: Vec::new(),
            wanting: Vec::new(),
            source: None,
            aliases: 0,
            roles: Roles::default(),
        }
    }

    pub(super) fn alias(&mut self, prefix: &str, span: Span) -> Ident {
        self.aliases += 1;
        Ident::new(&format!("__{prefix}{}", self.aliases), span)
    }

    /// Names the user's path, then each check in turn.
    pub(super) fn place(
        &mut self,
        part: &Part,
        role: &str,
        definition: &TokenStream,
        checks: &[(&TokenStream, &str)],
    ) -> Placed {
        let span = part.span();
        let named = self.alias("Part", span);
        self.imports.extend(role_aliases::alias_of(&named, &part.path, &[]));
        let mut alias = self.roles.alias(&part.name(), span);
        let misfits = self.source.as_ref().map(|source| source.misfits(role, &part.name(), &named, span));
        self.types.extend(role_aliases::in_role(
            &alias,
            &named,
            &part.path,
            role,
            misfits.unwrap_or_default(),
        ));
        for (of, constant) in checks {
            let next = self.alias("Part", span);
            let constant = Ident::new(constant, span);
            let of = respan(of, span);
            let check = quote_spanned!(span=> let _ = <#alias as #of>::#constant;);
            self.types.extend(checked(&next, &alias, check));
            alias = next;
        }
        let name = part.name();
        let needs = quote!(<#alias as #definition>::NEEDS);
        let (bound, scope) = if part.bindings.is_empty() {
            (quote!(&[]), quote!(__scope))
        } else {
            let constant = self.alias("BINDINGS_", Span::call_site());
            let bound = bindings::constant(&part.bindings);
            self.types.extend(quote!(const #constant: &[__batch::Binding] = #bound;));
            let constant = quote!(#constant);
            let whose = format!("{role} `{name}`");
            self.constants.extend(bindings::checks(&part.bindings, &whose, &needs, &constant));
            let scope = quote!(&__scope.bound(#constant));
            (constant, scope)
        };
        let raises = match role {
            // These are not called for single items, so the rules do not apply to their errors.
            "partitioner" | "aggregator" | "function of `chunk_while`" => quote!(__batch::Raises::Nothing),
            _ if self.options.faults.is_empty() || role == "listener" => quote!(__batch::Raises::Unknown),
            _ => quote!(<#alias as #definition>::RAISES),
        };
        self.uses.extend(quote! {
            __batch::ComponentUse { role: #role, name: #name, needs: #needs, bindings: #bound, raises: #raises },
        });
        self.spans.push(span);
        Placed { alias, scope }
    }

    pub(super) fn partitioner(&mut self, part: &Part) -> Ident {
        let definition = quote!(__batch::PartitionerDefinition);
        self.place(part, "partitioner", &definition, &[]).alias
    }

    pub(super) fn aggregator(&mut self, part: Option<&Part>) -> Aggregated {
        let Some(part) = part else { return Aggregated::none() };
        let definition = quote!(__batch::AggregatorDefinition);
        let alias = self.place(part, "aggregator", &definition, &[]).alias;
        Aggregated::of(&self.function.sig.ident, &alias, part.span(), &self.processors)
    }

    /// In a step with the option `word`, checks that the component supports it.
    pub(super) fn supporting(
        &mut self,
        part: &Part,
        alias: Ident,
        word: Option<&Ident>,
        what: &str,
        definition: &TokenStream,
        function: &str,
    ) -> Ident {
        let Some(word) = word else { return alias };
        let span = part.span();
        let (fits, function) = (self.alias("Part", span), Ident::new(function, span));
        let definition = respan(definition, span);
        let function = quote_spanned!(span=> <#alias as #definition>::#function);
        self.types.extend(checked(&fits, &alias, check_support(word, what, &function, span)));
        fits
    }

    /// The checks that compare constants, at the user's words.
    pub(super) fn checks(&self) -> TokenStream {
        let (name, constants) = (self.function.sig.ident.to_string(), &self.constants);
        let databases = self.spans.iter().enumerate().skip(1).map(|(index, span)| {
            quote_spanned! { *span=>
                if let ::core::option::Option::Some(message) =
                    __batch::wiring::out_of_place(#name, __COMPONENTS, #index)
                {
                    ::core::panic!("{}", message.as_str())
                }
            }
        });
        let fallible = self.options.faults.first.as_ref().map(|option| {
            quote_spanned! { option.span()=>
                if let ::core::option::Option::Some(message) = __batch::wiring::nothing_fails(#name, __COMPONENTS) {
                    ::core::panic!("{}", message.as_str())
                }
            }
        });
        quote! {
            #constants
            #[cfg(not(rust_analyzer))]
            const _: () = { #(#databases)* #fallible };
        }
    }
}

/// A check in a constant of its own.
pub(super) fn standalone(check: &TokenStream) -> TokenStream {
    quote! {
        #[cfg(not(rust_analyzer))]
        const _: () = { #check };
    }
}

/// `join(first, join(second, third))`
pub(super) fn nested(parts: Vec<TokenStream>, join: &TokenStream) -> TokenStream {
    parts.into_iter().rev().reduce(|rest, first| quote!(#join(#first, #rest))).unwrap_or_default()
}

/// The tokens with another span, at which rustc shows an error about them.
pub(super) fn respan(tokens: &impl ToTokens, span: Span) -> TokenStream {
    tokens
        .to_token_stream()
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
