// Search runs in a worker, which browsers do not start for pages that are opened as files: there a frame that is not
// shown takes its place.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inner = frame.contentWindow;
      window.addEventListener("message", (event) => {
        if (event.source === this.inner) {
          this.dispatchEvent(new MessageEvent("message", { data: event.data }));
        }
      });
      this.inner.postMessage = (data) => window.dispatchEvent(new MessageEvent("message", { data, source: this.inner }));
      const script = this.inner.document.createElement("script");
      script.src = url;
      this.ready = new Promise((resolve) => (script.onload = resolve));
      this.inner.document.body.append(script);
    }

    postMessage(data) {
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
