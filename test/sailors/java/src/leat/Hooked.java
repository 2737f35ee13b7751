package leat;

import io.elastic.api.ExecutionParameters;
import io.elastic.api.Function;
import io.elastic.api.InitParameters;
import io.elastic.api.JSON;
import io.elastic.api.Message;
import io.elastic.api.ShutdownParameters;
import io.elastic.api.StartupParameters;
import jakarta.json.JsonObject; // javax.json before version 4: install.sh sees to it

/** Has every hook, and notes when it's called. */
public class Hooked implements Function {
    @Override
    public JsonObject startup(final StartupParameters parameters) {
        Notes.note("startup " + parameters.getConfiguration());
        return JSON.parseObject("{\"subscription\":\"sub-1\"}");
    }

    @Override
    public void init(final InitParameters parameters) {
        Notes.note("init " + parameters.getConfiguration());
    }

    @Override
    public void execute(final ExecutionParameters parameters) {
        parameters.getEventEmitter().emitData(new Message.Builder().body(parameters.getMessage().getBody()).build());
    }

    @Override
    public void shutdown(final ShutdownParameters parameters) {
        Notes.note("shutdown " + parameters.getConfiguration() + " " + parameters.getState());
    }
}
