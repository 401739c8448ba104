//! `fn load() { flights(input = yesterday) | late | (save, audit) }`
//!
//! Each component is named once, in an alias, and each check is part of the alias of the component it checks. A
//! pair that does not fit is therefore reported once, and nothing after it.

mod threads;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, ItemFn, LitInt, Token};

use super::aggregator::{Aggregated, Keeping, broken_output};
use super::definition::{broken, decides_by_end, definition};
use super::frame::{checked, frame, implement};
use super::names::Roles;
use super::partitions::{Partitioned, partitioned, question};
use super::step_options::sizes;
use super::{bindings, names};
use crate::check;
use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::step::{Pipe, StepOptions};
use crate::syntax::component::stripped;
use crate::syntax::step::{Element, Part, Route};

/// Expands a step with `chunk`.
pub(crate) fn pipe(options: &StepOptions, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    check::step::pipe_head(options, function, errors);
    check::fault::exceptions(options, errors);
    check::grouping::options(options, errors);
    let pipe = Pipe::read(function, errors);
    if let Some(pipe) = &pipe {
        check::step::patterns(&pipe.writer, errors);
    }
    let kind = quote!(__batch::StepKind::Chunk);
    let ended = decides_by_end(function);
    let emitted = emitted(function);
    let pipe = match pipe {
        Some(pipe) if errors.is_empty() => pipe,
        _ => {
            let definition = broken(function, &kind);
            let output = broken_output(options, function, errors);
            return frame("step", function, emitted, quote!(#definition #ended #output));
        }
    };
    let mut parts = Parts::new(function, options);
    let partitions = options.partitions.as_ref();
    let part = partitions.and_then(|options| options.partitioner.as_ref());
    let made_by = part.map(|part| parts.partitioner(part));
    let (item, mut reader) = parts.readers(&pipe.readers, made_by.as_ref());
    let (out, processor) = parts.processors(&pipe.processors, &item);
    let mut writer = parts.writer(&pipe.writer, &out);
    let Partitioned { reads, takes, beside } = match partitions {
        None => Partitioned::not(),
        Some(options) => {
            if made_by.is_none() {
                reader = quote!(__batch::narrowed(#reader, __scope)?);
            }
            writer = quote!(__batch::apart(#writer, __scope));
            let aggregated = parts.aggregator(options.aggregator.as_ref());
            partitioned(options, made_by.as_ref(), &aggregated)
        }
    };
    let reader = parts.grouped(reader, &item);
    let listener = parts.listeners(&item, &out);
    let processor = parts.kept(&processor, &item);
    let name = &function.sig.ident;
    let run = if options.threads.is_some() {
        parts.on_threads(&pipe, &item, &out)
    } else {
        quote!(__batch::run_chunks::<__Pipe>)
    };
    let (types, uses, imports) = (&parts.types, &parts.uses, &parts.imports);
    let sizes = sizes(options);
    let definition = definition(function, &kind, options, &quote!(__COMPONENTS), &kinds(), &run);
    // A separate private type: the step may be `pub` while its components and items are not.
    let key = quote! {
        enum __Pipe {}
        impl __batch::StepDefinition for __Pipe {
            const INFO: &'static __batch::StepInfo = <#name as __batch::StepDefinition>::INFO;
        }
        impl __batch::Piped<__Pipe> for #name {}
    };
    let shown = shown(options);
    let body = implement(
        quote!(__batch::Pipe),
        &Ident::new("__Pipe", name.span()),
        quote! {
            type In = #item;
            type Out = #out;
            fn reader<'s>(__scope: &__batch::Scope<'s>)
                -> ::core::result::Result<impl #reads<Item = Self::In> + 's + use<'s>, __batch::Failure>
            {
                ::core::result::Result::Ok(#reader)
            }
            fn processor<'s>(__scope: &__batch::Scope<'s>) -> ::core::result::Result<
                impl __batch::Process<Self::In, Out = Self::Out> + 's + use<'s>,
                __batch::Failure,
            > {
                ::core::result::Result::Ok(#processor)
            }
            fn writer<'s>(__scope: &__batch::Scope<'s>)
                -> ::core::result::Result<impl #takes<Item = Self::Out> + 's + use<'s>, __batch::Failure>
            {
                ::core::result::Result::Ok(#writer)
            }
            #listener
            #shown
        },
    );
    let checks = parts.checks();
    frame(
        "step",
        function,
        emitted,
        quote! {
            #types
            const __COMPONENTS: &[__batch::ComponentUse] = &[#uses #sizes];
            #definition
            #key
            #body
            #beside
            #ended
            #checks
            #imports
        },
    )
}

/// The function that returns the kinds of the reader and the writer.
fn kinds() -> TokenStream {
    quote!(::core::option::Option::Some(__batch::position_kinds::<__Pipe>))
}

/// The items of skips as JSON, in a step that skips.
fn shown(options: &StepOptions) -> Option<TokenStream> {
    (!options.faults.skip.is_empty()).then(|| {
        quote! {
            fn item_json(__item: &Self::Out) -> ::core::option::Option<::std::string::String> {
                use __batch::faults::{AsItem as _, NoItem as _, Shown};
                (&Shown(__item)).item_json()
            }
            fn read_json(__item: &Self::In) -> ::core::option::Option<::std::string::String> {
                use __batch::faults::{AsItem as _, NoItem as _, Shown};
                (&Shown(__item)).item_json()
            }
        }
    })
}

/// The user's function with its braces; the code between them is for editors.
fn emitted(function: &ItemFn) -> TokenStream {
    let mut function = stripped(function);
    let stmts = std::mem::take(&mut function.block.stmts);
    let brace = function.block.brace_token;
    let sig = &mut function.sig;
    sig.inputs.clear();
    sig.generics = syn::Generics::default();
    sig.asyncness = None;
    sig.constness = None;
    sig.safety = syn::Safety::Default;
    sig.abi = None;
    let name = sig.ident.clone();
    let (attrs, vis) = (&function.attrs, &function.vis);
    let mut body = TokenStream::new();
    brace.surround(&mut body, |inside| {
        inside.extend(quote! {
            #[cfg(rust_analyzer)]
            { let _ = || { #(#stmts)* }; }
            <#name as ::batch_runtime::__private::StepDefinition>::INFO
        });
    });
    let head = syn::Token![fn](sig.fn_token.span);
    quote! {
        #(#attrs)*
        #[allow(unexpected_cfgs)]
        #vis #head #name() -> &'static ::batch_runtime::__private::StepInfo #body
    }
}

struct Parts<'f> {
    function: &'f ItemFn,
    options: &'f StepOptions,
    types: TokenStream,
    uses: TokenStream,
    spans: Vec<Span>,
    checks: TokenStream,
    keeping: Vec<Keeping>,
    /// For each listener, whether it wants to see the item that a processor failed on.
    wanting: Vec<TokenStream>,
    aliases: usize,
    roles: Roles,
    imports: TokenStream,
    source: Option<Source>,
}

/// The component whose items go to the next one.
struct Source {
    role: &'static str,
    name: String,
    span: Span,
    item: Ident,
}

impl Source {
    /// Checks whether its items are each a `Vec` while the next component would take their elements one by one.
    fn whole(&self, role: &str, to: &str, component: &Ident) -> Option<(Span, TokenStream)> {
        let (takes, takes_each) = match role {
            "processor" => (quote!(PROCESSES), quote!(PROCESSES_EACH)),
            "writer" => (quote!(WRITES), quote!(WRITES_EACH)),
            _ => return None,
        };
        let Self { role, name, span, item } = self;
        let offered = quote!(__wiring::Offered::<#item, #component>);
        let why = quote! {
            __wiring::why_whole(#role, #name, #to, !#offered::#takes && #offered::#takes_each)
        };
        Some((*span, why))
    }
}

/// One component in its place.
struct Placed {
    /// The alias that refers to it if its checks hold.
    alias: Ident,
    /// The scope with its bindings.
    scope: TokenStream,
}

impl<'f> Parts<'f> {
    fn new(function: &'f ItemFn, options: &'f StepOptions) -> Self {
        Self {
            function,
            options,
            types: TokenStream::new(),
            uses: TokenStream::new(),
            spans: Vec::new(),
            checks: TokenStream::new(),
            keeping: Vec::new(),
            wanting: Vec::new(),
            aliases: 0,
            roles: Roles::default(),
            imports: TokenStream::new(),
            source: None,
        }
    }

    fn alias(&mut self, prefix: &str, span: Span) -> Ident {
        self.aliases += 1;
        Ident::new(&format!("__{prefix}{}", self.aliases), span)
    }

    /// Names the user's path, then each check in turn.
    fn place(
        &mut self,
        part: &Part,
        role: &str,
        definition: &TokenStream,
        checks: &[(&TokenStream, &str)],
    ) -> Placed {
        let span = part.span();
        let named = self.alias("Part", span);
        self.imports.extend(names::import(&named, &part.path, &[]));
        let mut alias = self.roles.alias(&part.name(), span);
        let unwrapped = self.source.as_ref().and_then(|source| source.whole(role, &part.name(), &named));
        self.types.extend(names::in_role(&alias, &named, &part.path, role, unwrapped));
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
            self.checks.extend(bindings::checks(&part.bindings, &whose, &needs, &constant));
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

    fn partitioner(&mut self, part: &Part) -> Ident {
        let definition = quote!(__batch::PartitionerDefinition);
        self.place(part, "partitioner", &definition, &[]).alias
    }

    fn aggregator(&mut self, part: Option<&Part>) -> Aggregated {
        let Some(part) = part else { return Aggregated::not() };
        let definition = quote!(__batch::AggregatorDefinition);
        let alias = self.place(part, "aggregator", &definition, &[]).alias;
        Aggregated::of(&self.function.sig.ident, &alias, part.span(), &self.keeping)
    }

    fn readers(&mut self, readers: &[Part], partitioner: Option<&Ident>) -> (Ident, TokenStream) {
        let item = format_ident!("__Item");
        let definition = quote!(__batch::ReaderDefinition);
        let mut opened = Vec::new();
        for (index, part) in readers.iter().enumerate() {
            let reads = quote!(__batch::Reads<#item>);
            let takes = partitioner.map(|partitioner| {
                quote!(__batch::TakesPartition<<#partitioner as __batch::PartitionerDefinition>::Range>)
            });
            let mut checks = Vec::new();
            checks.extend((index > 0).then_some((&reads, "IS")));
            checks.extend(takes.as_ref().map(|takes| (takes, "IS")));
            let Placed { alias, scope } = self.place(part, "reader", &definition, &checks);
            let alias = match partitioner {
                None => {
                    let word = self.options.partitions.as_ref().map(|options| &options.word);
                    self.asked(part, alias, word, "splits", &definition, "open")
                }
                Some(_) => alias,
            };
            if index == 0 {
                self.types.extend(quote!(type #item = <#alias as #definition>::Item;));
                let (name, span) = (part.name(), part.span());
                self.source = Some(Source { role: "reader", name, span, item: item.clone() });
            }
            opened.push(quote!(<#alias as #definition>::open(#scope)?));
        }
        (item, nested(opened, &quote!(__batch::Chain::new)))
    }

    /// In a step with the option `word`, checks that the component supports it.
    fn asked(
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
        self.types.extend(checked(&fits, &alias, question(word, what, &function, span)));
        fits
    }

    fn processors(&mut self, processors: &[Part], item: &Ident) -> (Ident, TokenStream) {
        let mut item = item.clone();
        let mut bound = Vec::new();
        for part in processors {
            let definition = quote!(__batch::ProcessorDefinition<#item>);
            let Placed { alias, scope } =
                self.place(part, "processor", &definition, &[(&definition, "NAME")]);
            let out = self.alias("Item", Span::call_site());
            self.types.extend(quote!(type #out = <#alias as #definition>::Out;));
            bound.push(self.bound(part, &alias, &scope, &definition, &item));
            self.keeping.push(Keeping { alias, definition });
            let (name, span) = (part.name(), part.span());
            self.source = Some(Source { role: "processor", name, span, item: out.clone() });
            item = out;
        }
        let joined = bound.into_iter().reduce(|first, second| quote!(__batch::Then::new(#first, #second)));
        (item, joined.unwrap_or_else(|| quote!(__batch::Through)))
    }

    /// The processor with its arguments. Checks what retries and skips require of it.
    fn bound(
        &mut self,
        part: &Part,
        alias: &Ident,
        scope: &TokenStream,
        definition: &TokenStream,
        item: &Ident,
    ) -> TokenStream {
        let (faults, span) = (&self.options.faults, part.span());
        if self.options.threads.is_some() {
            let respanned = respan(definition, span);
            self.checks.extend(standalone(&quote_spanned! {span=>
                let _ = <() as __batch::Shares<<#alias as #respanned>::State>>::IS;
                let _ = <<#alias as #respanned>::Passing as __batch::OneByOne>::IS;
            }));
        }
        if faults.is_empty() {
            return quote!(<#alias as #definition>::bind(#scope)?);
        }
        let retries = !faults.retry.is_empty();
        let fits = self.alias("Part", span);
        let respanned = respan(definition, span);
        let mut check =
            quote_spanned!(span=> let _ = <() as __batch::Holds<<#alias as #respanned>::State>>::IS;);
        if retries {
            check.extend(quote_spanned!(span=> let _ = <<#alias as #respanned>::Passing as __batch::Repeats<#item>>::IS;));
        }
        self.types.extend(checked(&fits, alias, check));
        let bound = quote!(<#fits as #definition>::bind(#scope)?);
        if retries {
            quote! {
                __batch::Retried::<
                    _,
                    <#fits as #definition>::Passing,
                    { <#fits as #definition>::RAISES.is_something() },
                >::new(#bound, __scope)
            }
        } else {
            bound
        }
    }

    fn writer(&mut self, element: &Element, item: &Ident) -> TokenStream {
        match element {
            Element::One(part) => {
                let definition = quote!(__batch::WriterDefinition<#item>);
                let Placed { alias, scope } =
                    self.place(part, "writer", &definition, &[(&definition, "NAME")]);
                let word = self.options.partitions.as_ref().map(|options| &options.word);
                let alias = self.asked(part, alias, word, "is_shared", &definition, "bind");
                let word = self.options.unordered.as_ref();
                let alias = self.asked(part, alias, word, "in_any_order", &definition, "bind");
                quote!(<#alias as #definition>::bind(#scope)?)
            }
            Element::All(elements, _) => {
                let writers = elements.iter().map(|element| self.writer(element, item)).collect();
                nested(writers, &quote!(__batch::Both::new))
            }
            Element::Route(route) => self.route(route, item),
        }
    }

    fn route(&mut self, route: &Route, item: &Ident) -> TokenStream {
        let definition = quote!(__batch::ClassifierDefinition<#item>);
        let span = route.classifier.span();
        let Placed { alias, scope } =
            self.place(&route.classifier, "classifier", &definition, &[(&definition, "NAME")]);
        // The user's own `match`, so that rustc finds the missing case on the user's words.
        let keyword = Token![match](route.expr.match_token.span);
        let arms = route.expr.arms.iter().enumerate().map(|(index, arm)| {
            let (attrs, pattern, arrow) = (&arm.attrs, &arm.pat, &arm.fat_arrow_token);
            let body = arm.body.span();
            let number = LitInt::new(&format!("{index}usize"), body);
            let comma = arm.comma.unwrap_or(Token![,](body));
            quote!(#(#attrs)* #pattern #arrow #number #comma)
        });
        let mut body = TokenStream::new();
        route.expr.brace_token.surround(&mut body, |inside| inside.extend(arms));
        let kind = Ident::new("__kind", span);
        let writers: Vec<_> = route.arms.iter().map(|arm| self.writer(arm, item)).collect();
        let arms = writers.iter().rev().fold(quote!(()), |rest, writer| quote!((#writer, #rest)));
        quote! {{
            let mut __classify = <#alias as #definition>::bind(#scope)?;
            __batch::Route::new(
                move |__item: &#item| {
                    let #kind: <#alias as #definition>::Kind = __classify(__item)?;
                    ::core::result::Result::Ok(#keyword #kind #body)
                },
                #arms,
            )
        }}
    }

    /// The method that binds the listeners, if there are any.
    fn listeners(&mut self, item: &Ident, out: &Ident) -> Option<TokenStream> {
        let definition = quote!(__batch::ListenerDefinition<#item, #out>);
        let (is, of_chunks) = (quote!(__batch::IsListener), quote!(__batch::HearsChunks));
        let of_whole = quote!(__batch::HearsWholeSteps);
        let (read, written) = (quote!(__batch::HearsRead<#item>), quote!(__batch::HearsWritten<#out>));
        let bound: Vec<_> = self
            .options
            .listeners
            .iter()
            .map(|part| {
                let mut checks = vec![(&is, "IS"), (&read, "IS"), (&written, "IS")];
                if self.options.threads.is_some() {
                    checks.push((&of_chunks, "IS"));
                }
                if self.options.partitions.is_none() {
                    checks.push((&of_whole, "IS"));
                }
                let Placed { alias, scope } = self.place(part, "listener", &definition, &checks);
                let wants = quote!(<#alias as #definition>::WANTS_ITEMS);
                self.shows_item(&wants, item, part.span());
                self.wanting.push(wants);
                quote!(<#alias as #definition>::bind(#scope)?)
            })
            .collect();
        (!bound.is_empty()).then(|| {
            let joined = nested(bound, &quote!(__batch::Listeners::new));
            quote! {
                fn listener<'s>(__scope: &__batch::Scope<'s>) -> ::core::result::Result<
                    impl __batch::StepListener<Self::In, Self::Out> + 's + use<'s>,
                    __batch::Failure,
                > {
                    ::core::result::Result::Ok(#joined)
                }
            }
        })
    }

    /// The reader. If a `chunk_while` function is named, it decides where chunks end.
    fn grouped(&mut self, reader: TokenStream, item: &Ident) -> TokenStream {
        let Some(part) = &self.options.chunk_while else { return reader };
        let definition = quote!(__batch::GroupingDefinition<#item>);
        let is = quote!(__batch::IsGrouping);
        let checks = [(&is, "IS"), (&definition, "NAME")];
        let Placed { alias, scope } = self.place(part, Role::Grouping.noun(), &definition, &checks);
        quote! {
            __batch::Grouped::new(
                #reader,
                <#alias as #definition>::bind(#scope)?,
                &<Self as __batch::StepDefinition>::INFO.options,
                __scope,
            )?
        }
    }

    /// Checks that the item a processor failed on can be shown as it is wanted.
    fn shows_item(&mut self, wants: &TokenStream, item: &Ident, span: Span) {
        let Some(Keeping { alias, definition }) = self.keeping.first() else { return };
        let check = quote! {
            let _ = <<#alias as #definition>::Passing as __batch::ShowsItem<#item, { #wants }>>::IS;
        };
        self.checks.extend(standalone(&respan(&check, span)));
    }

    /// The processors, with a copy of each item if someone wants to see the item they failed on.
    fn kept(&mut self, processor: &TokenStream, item: &Ident) -> TokenStream {
        if let Some(word) = &self.options.keep_items {
            self.shows_item(&quote!(true), item, word.span());
        }
        let asks = self.options.keep_items.is_some() || !self.wanting.is_empty();
        if self.keeping.is_empty() || (!asks && self.options.faults.skip.is_empty()) {
            return processor.clone();
        }
        let wanted = match &self.wanting[..] {
            _ if self.options.keep_items.is_some() => quote!(true),
            [] => quote!(false),
            wanting => quote!(#(#wanting)||*),
        };
        quote! {{
            use __batch::faults::{Keeping, KeptByClone as _, KeptByCopy as _, NotKept as _};
            (&Keeping::<#item, { #wanted }>::OF).keep(#processor)
        }}
    }

    /// The checks that compare constants, at the user's words.
    fn checks(&self) -> TokenStream {
        let (name, checks) = (self.function.sig.ident.to_string(), &self.checks);
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
            #checks
            #[cfg(not(rust_analyzer))]
            const _: () = { #(#databases)* #fallible };
        }
    }
}

/// A check in a constant of its own.
fn standalone(check: &TokenStream) -> TokenStream {
    quote! {
        #[cfg(not(rust_analyzer))]
        const _: () = { #check };
    }
}

fn nested(parts: Vec<TokenStream>, join: &TokenStream) -> TokenStream {
    parts.into_iter().rev().reduce(|rest, first| quote!(#join(#first, #rest))).unwrap_or_default()
}

fn respan(tokens: &impl ToTokens, span: Span) -> TokenStream {
    tokens
        .to_token_stream()
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
