// Where a flow's webhook is called. Shown with the flow, served by http/routes/hooks.ts.

/** The same as long as the flow has its id; a slash in it is `%2F`. */
export function hookUrlOf(publicUrl: string, flow: string): string {
  return `${publicUrl}/hook/${encodeURIComponent(flow)}`;
}
