# Varnish: the built-in VCL, which is what its users start from, and hit-for-pass for what may not be kept.
# Its parameters are in bench/servers.py, a reason for each.
vcl 4.1;

backend default {
  .host = "127.0.0.1";
  .port = "@ORIGIN@";
}

sub vcl_backend_response {
  # Hit-for-pass: later requests go straight to the origin. The built-in way, hit-for-miss, looks for an
  # object to revalidate each time.
  if (beresp.http.Cache-Control ~ "no-store") {
    return (pass(1d));
  }
}
