//! Expands `batch_runtime::main!(daily, monthly);`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Expr, Token};

use super::job_body::panic_at;
use super::role_aliases;
use crate::errors::Errors;
use crate::model::types::shown;

/// Expands `main!`.
pub(crate) fn program(jobs: TokenStream, errors: &mut Errors) -> TokenStream {
    let mut paths: Vec<syn::Path> = Vec::new();
    match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(jobs) {
        Err(error) => errors.push(error),
        Ok(jobs) if jobs.is_empty() => errors.at_span(
            proc_macro2::Span::call_site(),
            "name the jobs that the program can run: `batch_runtime::main!(daily, monthly)`",
        ),
        Ok(jobs) => {
            for job in jobs {
                match job {
                    Expr::Path(expr) if expr.qself.is_none() => {
                        if paths.iter().any(|path| shown(path) == shown(&expr.path)) {
                            errors.at(&expr.path, "this job is already named; keep one of the two");
                        } else {
                            paths.push(expr.path);
                        }
                    }
                    Expr::Call(call) => errors.at(
                        call,
                        "jobs are named here, not called: leave the parentheses out; `run` passes the parameters",
                    ),
                    other => errors.at(other, "name a job here: `batch_runtime::main!(daily)`"),
                }
            }
        }
    }
    let aliases: Vec<_> = (0..paths.len()).map(|index| format_ident!("__Job{index}")).collect();
    let checks = aliases.iter().zip(&paths).map(|(alias, path)| {
        let last = path.segments.last().map(|segment| &segment.ident);
        let word = last.map(crate::syntax::name::plain).unwrap_or_default();
        let span = last.map_or_else(proc_macro2::Span::call_site, proc_macro2::Ident::span);
        panic_at(
            span,
            &[],
            quote!(__wiring::why_no_job(#word, __wiring::Probe::<#alias>::JOB, __wiring::Probe::<#alias>::RUNS)),
        )
    });
    let imported = aliases.iter().zip(&paths).map(|(alias, path)| role_aliases::alias_of(alias, path, &[]));
    quote! {
        #[allow(unexpected_cfgs)]
        fn main() -> ::std::process::ExitCode {
            use ::batch_runtime::graph::wiring as __wiring;
            #[allow(unused_imports)]
            use __wiring::Nothing as _;
            #(#checks)*
            #(#imported)*
            ::batch_runtime::cli::main(&[#(__wiring::job_or_unknown(__wiring::Probe::<#aliases>::JOB)),*])
        }
    }
}
