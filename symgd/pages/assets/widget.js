// A page in a frame of its own; what is dragged in it goes back to Python.
export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts allow-downloads");
    frame.style.cssText = `border:0;width:100%;height:${model.get("height")}px`;
    frame.srcdoc = model.get("html");
    const heard = (event) => {
      if (event.source !== frame.contentWindow || !event.data?.symgd) return;
      model.set("state", event.data.symgd);
      model.save_changes();
    };
    addEventListener("message", heard);
    el.append(frame);
    return () => removeEventListener("message", heard);
  },
};
